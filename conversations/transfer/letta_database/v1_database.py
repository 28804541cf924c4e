"""Open a Letta V1 database: read-only, in one snapshot, at a known schema revision."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg.abc import Params
from psycopg.rows import BaseRowFactory, args_row, scalar_row

from ...domain.errors import DomainError
from . import queries
from .queries import Query

T = TypeVar("T")

# Alembic revisions that the import is tested with, and the last Letta release that has each.
KNOWN_REVISIONS = {"1c28e167b74f": "0.16.8"}
FETCH_SIZE = 1000
CONNECT_TIMEOUT = 10

_cursor_numbers = count()


class V1DatabaseError(DomainError):
    """The V1 database can't be read, or one of its rows can't be stored here."""


class V1RowError(V1DatabaseError):
    """A V1 row can't be stored here."""

    def __init__(self, row_id: str, problem: str):
        super().__init__(f"{row_id}: {problem}")
        self.problem = problem


class Scope(NamedTuple):
    """Which rows to import; None means all of them."""

    organizations: list[str] | None = None
    agents: list[str] | None = None
    deleted: bool = False


@dataclass
class V1Database:
    """An open V1 database, limited to a scope."""

    connection: psycopg.Connection[Any]
    scope: Scope
    revision: str = ""

    def rows(self, query: Query[T], **parameters: Any) -> Iterator[T]:
        """Stream the rows of a query through a server-side cursor: memory use stays flat."""
        yield from self._stream(query.sql, args_row(query.row), parameters)

    def all(self, query: Query[T], **parameters: Any) -> list[T]:
        """Return the rows of a query at once."""
        with self.connection.cursor(row_factory=args_row(query.row)) as cursor:
            return cursor.execute(query.sql.encode(), self._with_scope(parameters)).fetchall()

    def scalars(self, statement: str, **parameters: Any) -> Iterator[Any]:
        """Stream the first column of a statement's rows."""
        yield from self._stream(statement, scalar_row, parameters)

    def columns(self) -> dict[str, set[str]]:
        """Return the names of the columns of every table."""
        rows = self.connection.execute(
            "SELECT table_name, array_agg(column_name::text) FROM information_schema.columns "
            "WHERE table_schema = current_schema() GROUP BY table_name"
        )
        return {table: set(columns) for table, columns in rows}

    def _stream(
        self, statement: str, row_factory: BaseRowFactory[T], parameters: dict[str, Any]
    ) -> Iterator[T]:
        # Several cursors are open at a time, so each needs a name of its own.
        name = f"rows_{next(_cursor_numbers)}"
        with self.connection.cursor(name=name, row_factory=row_factory) as cursor:
            cursor.itersize = FETCH_SIZE
            cursor.execute(statement.encode(), self._with_scope(parameters))
            yield from cursor

    def _with_scope(self, parameters: dict[str, Any]) -> Params:
        return {**self.scope._asdict(), **parameters}


@contextmanager
def open_v1_database(
    url: str, scope: Scope, *, accept_revision: str | None = None
) -> Iterator[V1Database]:
    """Open a V1 database in one read-only snapshot and check that it is complete.

    Args:
        url: A PostgreSQL URL, also in the form of V1's setting (`postgresql+asyncpg://…`).
        scope: Which rows to read.
        accept_revision: A schema revision to accept besides the known ones.

    Raises:
        V1DatabaseError: The database can't be opened or read, is incomplete or not V1's.
    """
    scheme, colon, rest = url.partition("://")
    try:
        connection = psycopg.connect(
            f"{scheme.partition('+')[0]}{colon}{rest}", connect_timeout=CONNECT_TIMEOUT
        )
    except psycopg.Error as error:
        raise V1DatabaseError(f"Can't open the V1 database: {str(error).strip()}") from None
    try:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        # Verifying compares times as text, so both sides use one time zone.
        connection.execute("SET TIME ZONE 'UTC'")
        v1 = V1Database(connection, scope)
        if "alembic_version" not in v1.columns():
            raise V1DatabaseError("Not a V1 database: it has no table alembic_version")
        _check_complete(v1)
        v1.revision = _check_revision(connection, accept_revision)
        yield v1
    except psycopg.Error as error:
        raise V1DatabaseError(f"The V1 database failed: {str(error).strip()}") from error
    finally:
        connection.close()


def _check_complete(v1: V1Database) -> None:
    """Plan every query, which needs all columns, and look for keys, which a dump creates last."""
    parameters = {**v1.scope._asdict(), "found": [], "batch": []}
    for query in queries.ALL:
        try:
            v1.connection.execute(f"EXPLAIN {query.sql}".encode(), parameters)
        except (psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedTable) as error:
            raise V1DatabaseError(
                f"The V1 database is incomplete: {error.diag.message_primary}"
            ) from None
    with_key = {
        row[0]
        for row in v1.connection.execute(
            "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'p'"
        )
    }
    for table in ("conversation_messages", "messages", "steps", "users"):
        if table not in with_key:
            raise V1DatabaseError(
                f"The V1 database is incomplete: table {table} has no primary key. "
                "Load the dump to its end"
            )


def _check_revision(connection: psycopg.Connection[Any], accept_revision: str | None) -> str:
    found = [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]
    known = ", ".join(f"{revision} (Letta {name})" for revision, name in KNOWN_REVISIONS.items())
    if len(found) != 1:
        raise V1DatabaseError(
            f"The V1 database is incomplete: alembic_version has {len(found)} rows, expected 1"
        )
    if found[0] not in KNOWN_REVISIONS and found[0] != accept_revision:
        raise V1DatabaseError(
            f"The V1 database is at revision {found[0]!r}; supported: {known}. Run `alembic "
            f"upgrade` of that V1 server, or try --accept-revision {found[0]}"
        )
    return str(found[0])


def resolve_organizations(
    url: str, names_or_ids: list[str], accept_revision: str | None
) -> list[str]:
    """Return the ids of V1 organizations given by name or id."""
    with open_v1_database(url, Scope(), accept_revision=accept_revision) as v1:
        organizations = v1.all(queries.ALL_ORGANIZATIONS)
    found = []
    for wanted in names_or_ids:
        matches = [row.id for row in organizations if wanted in (row.id, row.name)]
        if len(matches) != 1:
            names = ", ".join(f"{row.name!r} ({row.id})" for row in organizations)
            raise V1DatabaseError(
                f"{wanted!r} matches {len(matches)} organizations; expected one of {names}"
            )
        found += matches
    return found


def batches(rows: Iterator[T], size: int = FETCH_SIZE) -> Iterator[list[T]]:
    """Split an iterator into lists of at most `size` items."""
    while batch := list(islice(rows, size)):
        yield batch
