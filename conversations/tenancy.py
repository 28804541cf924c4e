"""For which organization the code acts, and how PostgreSQL's row-level security learns it.

Row-level security (`domain/row_security.py`) shows a transaction the rows of one organization. The
code says for which one it acts, and the first statement of each transaction tells the database.
The database forgets it with the transaction, so that connections can be shared by a pool, or by
PgBouncer in transaction mode. Where nobody has said anything, there are no rows.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper

T = TypeVar("T")

# The settings of PostgreSQL that the policies read.
ORGANIZATION_SETTING = "conversations.organization"
ACCESS_SETTING = "conversations.access"
SET_BOTH = (
    f"SELECT set_config('{ORGANIZATION_SETTING}', %s, true), "
    f"set_config('{ACCESS_SETTING}', %s, true)"
)
# Sets the organization of a key or of a user's member, which only this function can look up.
SET_CALLER = "conversations_set_caller"
# Of libpq's PGTransactionStatusType. (psycopg is not installed where SQLite is used.)
IDLE, IN_ERROR = 0, 3


class Access(NamedTuple):
    """Which rows may be read and written: the statement that tells PostgreSQL so."""

    sql: str
    parameters: tuple[str, str]


NONE = Access(SET_BOTH, ("", ""))
ALL = Access(SET_BOTH, ("", "all"))

_access: ContextVar[Access] = ContextVar("access", default=NONE)


def act_for(organization_id: str) -> None:
    """Act for this organization until the surrounding block or task ends."""
    _access.set(_access_to(organization_id))


def act_for_all() -> None:
    """Act for all organizations until the surrounding block or task ends."""
    _access.set(ALL)


@contextmanager
def acting_for(organization_id: str) -> Iterator[None]:
    """Act for one organization in this block or, as a decorator, in this function."""
    with _acting(_access_to(organization_id)):
        yield


@contextmanager
def acting_for_all() -> Iterator[None]:
    """Act for all organizations in this block: for superusers, commands and housekeeping."""
    with _acting(ALL):
        yield


@contextmanager
def acting_for_none() -> Iterator[None]:
    """Start a block that has access to nothing until it acts for an organization."""
    with _acting(NONE):
        yield


@contextmanager
def finding_key(prefix: str) -> Iterator[None]:
    """Act for the organization of an API key in this block, where the key is looked up."""
    with _acting(Access(f"SELECT {SET_CALLER}(%s, %s)", ("key", prefix))):
        yield


@contextmanager
def finding_member(user_id: object) -> Iterator[None]:
    """Act for the organization of a Django user's member, where the member is looked up."""
    with _acting(Access(f"SELECT {SET_CALLER}(%s, %s)", ("user", str(user_id)))):
        yield


def with_present_access(items: Iterable[T]) -> Iterator[T]:
    """Return items that are computed later with the access that the code has now."""
    access, iterator = _access.get(), iter(items)

    def compute() -> Iterator[T]:
        while True:
            with _acting(access):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    return compute()


@contextmanager
def _acting(access: Access) -> Iterator[None]:
    token = _access.set(access)
    try:
        yield
    finally:
        _access.reset(token)


def _access_to(organization_id: str) -> Access:
    return Access(SET_BOTH, (organization_id.removeprefix("org-"), ""))


class AccessSetter:
    """Tells the database which rows it may show: an execute wrapper of one Django connection.

    The settings travel with the first statement of a transaction, which also is every statement
    in autocommit mode, in one round trip. Later statements of the transaction send them only if
    they have changed.
    """

    def __init__(self) -> None:
        self._is_active: bool | None = None
        self._known: Access | None = None

    @classmethod
    def of(cls, connection: BaseDatabaseWrapper) -> "AccessSetter":
        """Return the one of this connection, installed if necessary."""
        for wrapper in connection.execute_wrappers:
            if isinstance(wrapper, cls):
                return wrapper
        setter = cls()
        connection.execute_wrappers.append(setter)
        return setter

    def is_active(self, connection: Any) -> bool:
        """Return whether the database's role is subject to row-level security.

        The owner of the tables and superusers are not; nor is any role if there are no tables.
        """
        if self._is_active is None:
            query = "SELECT row_security_active(to_regclass('conversations_organization')::oid)"
            connection.ensure_connection()
            with connection.wrap_database_errors:
                self._is_active = bool(connection.connection.execute(query).fetchone()[0])
        return self._is_active

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        connection = context["connection"]
        status = connection.connection.pgconn.transaction_status
        command = sql if isinstance(sql, str) else ""  # psycopg composes SQL of other kinds, too.
        if (
            not self._must_set(connection, status)
            or status == IN_ERROR
            or command.startswith("SET TRANSACTION")  # must be the first statement
        ):
            try:
                return execute(sql, params, many, context)
            finally:
                if command.startswith("ROLLBACK TO"):
                    self._known = None
        self._known = _access.get()
        raw = connection.connection
        # psycopg's server-side cursors work in no pipeline.
        is_named = bool(getattr(context["cursor"].cursor, "name", None))
        together = raw.transaction() if is_named else raw.pipeline()
        with connection.wrap_database_errors, together:
            raw.execute(*self._known)
            return execute(sql, params, many, context)

    def _must_set(self, connection: Any, status: int) -> bool:
        if not self.is_active(connection):
            return False
        if status == IDLE:
            self._known = NONE  # A new transaction.
        return _access.get() != self._known


def install_access_setter(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Receive Django's signal `connection_created`."""
    if connection.vendor == "postgresql":
        # Now: the first statement of a transaction may have to be SET TRANSACTION.
        AccessSetter.of(connection).is_active(connection)
