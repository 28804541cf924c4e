"""Row-level security on PostgreSQL: the policies of every table, derived from the models.

A policy shows and accepts the rows of the organization that the code acts for (`tenancy.py`). The
tables' owner is exempt: it migrates and backs up. The server connects as another role, which these
functions create and grant what it needs.
"""

import hashlib
import secrets
from dataclasses import dataclass
from enum import Enum

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import connection, transaction
from django.db.models import ForeignKey, Model

from ..models import ApiKey, AuditEvent, Member, Message, Organization
from ..models.messages import FIND_MESSAGES, HasWords
from ..tenancy import ACCESS_SETTING, ORGANIZATION_SETTING, SET_CALLER
from .errors import Conflict, InvalidArgument

# Subqueries, which are evaluated once per statement instead of once per row.
ORGANIZATION = f"(SELECT nullif(current_setting('{ORGANIZATION_SETTING}', true), '')::uuid)"
ACCESS = f"(SELECT current_setting('{ACCESS_SETTING}', true))"
PRIVILEGES = {"TABLES": "SELECT, INSERT, UPDATE, DELETE", "SEQUENCES": "USAGE, SELECT"}


@dataclass(frozen=True)
class Policy:
    """The policy of a table: the condition under which a row can be read or written."""

    table: str
    condition: str

    @property
    def digest(self) -> str:
        """What the policy's comment in the database says, to recognize an older definition."""
        return hashlib.sha256(self.condition.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        """The SQL that creates it."""
        policy = f'POLICY organization ON "{self.table}"'
        return [
            f"CREATE {policy} USING ({self.condition})",
            f"COMMENT ON {policy} IS '{self.digest}'",
        ]


class NotOwner(Conflict):
    """The connected role may not change the tables."""

    def __init__(self, role: str):
        super().__init__(
            f"The role {role!r} does not own the tables. Connect as the role that runs `migrate`; "
            "run that first on an empty database."
        )


class State(Enum):
    """What the database has of the policies of one table."""

    CURRENT = "current"
    OUTDATED = "outdated"
    MISSING = "missing"


@dataclass(frozen=True)
class Status:
    """The state of every table, and whether the connected role is subject to the policies."""

    tables: dict[str, State]
    role: str
    is_enforced: bool

    @property
    def is_enabled(self) -> bool:
        """Whether any table has policies."""
        return any(state is not State.MISSING for state in self.tables.values())

    @property
    def is_complete(self) -> bool:
        """Whether all tables have the policies of this version."""
        return all(state is State.CURRENT for state in self.tables.values())


def _functions(schema: str) -> list[str]:
    """Return the SQL of the functions that run as the tables' owner, in every caller's reach."""
    as_owner = f"SECURITY DEFINER SET search_path = {schema}, pg_temp"
    found = f"{HasWords.INDEXED} AND {HasWords.DOCUMENT} @@ plainto_tsquery('simple', words)"
    user_type = Member._meta.get_field("user").db_type(connection)
    return [
        # The same condition as the policy's, and then the one that has the index.
        f"CREATE OR REPLACE FUNCTION {FIND_MESSAGES}(words text) RETURNS SETOF uuid "  # noqa: S608 (constants)
        f"LANGUAGE sql STABLE {as_owner} AS $$ SELECT id FROM {Message._meta.db_table} "
        f"WHERE ({_condition(Message)}) AND {found.format('content', 'content')} $$",
        f"CREATE OR REPLACE FUNCTION {SET_CALLER}(kind text, caller text) RETURNS void "  # noqa: S608 (constants)
        f"LANGUAGE plpgsql {as_owner} AS $$ DECLARE found uuid; BEGIN "
        "IF kind = 'key' THEN SELECT organization_id INTO found "
        f"FROM {ApiKey._meta.db_table} WHERE prefix = caller; "
        "ELSE SELECT organization_id INTO found "
        f"FROM {Member._meta.db_table} WHERE user_id = caller::{user_type}; END IF; "
        f"PERFORM set_config('{ORGANIZATION_SETTING}', coalesce(found::text, ''), true), "
        f"set_config('{ACCESS_SETTING}', '', true); END $$",
    ]


def owned_models() -> list[type[Model]]:
    """Return every model of the app; an organization owns the rows of each."""
    models = apps.get_app_config("conversations").get_models(include_auto_created=True)
    return [model for model in models if model._meta.managed and not model._meta.proxy]


def policies() -> list[Policy]:
    """Return the policies of all tables. Raises ImproperlyConfigured for a model without owner."""
    return [Policy(model._meta.db_table, _condition(model)) for model in owned_models()]


def _condition(model: type[Model]) -> str:
    return f"{_owner_condition(model)} OR {ACCESS} = 'all'"


def _owner_condition(model: type[Model]) -> str:
    if model is Organization:
        return f"id = {ORGANIZATION}"
    try:
        model._meta.get_field("organization")
    except FieldDoesNotExist:
        field = _parent_field(model)
        parent = field.related_model._meta
        # The parent's own policy applies to the subquery. Without OFFSET, the planner may hash all
        # parents of the organization, for each statement.
        return (
            f'EXISTS (SELECT 1 FROM "{parent.db_table}" AS parent '  # noqa: S608 (names of models)
            f'WHERE parent.{parent.pk.column} = "{model._meta.db_table}".{field.column} OFFSET 0)'
        )
    return f"organization_id = {ORGANIZATION}"


def _parent_field(model: type[Model]) -> "ForeignKey[Model, Model]":
    """Return the foreign key to the row whose organization owns this one."""
    path = getattr(model._default_manager.all(), "organization_path", None)
    if path is None:
        raise ImproperlyConfigured(
            f"{model._meta.label} has neither a field `organization` nor, in its query set, an "
            "`organization_path`: row-level security cannot tell whose its rows are."
        )
    field = model._meta.get_field(path.partition("__")[0])
    if not isinstance(field, ForeignKey) or field.null:
        raise ImproperlyConfigured(
            f"{model._meta.label}: `organization_path` must begin with a required foreign key."
        )
    return field


def status() -> Status:
    """Return what the connected database has."""
    wanted = {policy.table: {policy.digest} for policy in policies()}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, obj_description(p.oid, 'pg_policy') "
            "FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid AND relrowsecurity "
            "WHERE relnamespace = current_schema()::regnamespace AND relname = ANY(%s)",
            [list(wanted)],
        )
        found: dict[str, set[str]] = {}
        for table, digest in cursor.fetchall():
            found.setdefault(table, set()).add(digest)
        cursor.execute(
            "SELECT current_user, row_security_active(to_regclass(%s)::oid)",
            [Organization._meta.db_table],
        )
        role, is_enforced = cursor.fetchone()
    tables = {
        table: State.CURRENT
        if found.get(table) == expected
        else State.OUTDATED
        if table in found
        else State.MISSING
        for table, expected in wanted.items()
    }
    return Status(tables, role, bool(is_enforced))


@transaction.atomic
def enable(role: str, *, password: str | None = None) -> str | None:
    """Create the policies, and the role if it does not exist; grant it what the server needs.

    Returns the password that a new role was given, if `password` does not name one. Raises
    InvalidArgument for a role that row-level security does not apply to, and NotOwner.
    """
    _check_owner()
    generated = _prepare_role(role, password)
    update_policies()
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(%s), quote_ident(current_schema())", [role])
        quoted, schema = cursor.fetchone()
        cursor.execute(f"GRANT USAGE ON SCHEMA {schema} TO {quoted}")
        for kind, privileges in PRIVILEGES.items():
            cursor.execute(f"GRANT {privileges} ON ALL {kind} IN SCHEMA {schema} TO {quoted}")
            cursor.execute(
                f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {privileges} ON {kind} "
                f"TO {quoted}"
            )
        audit_log = AuditEvent._meta.db_table
        cursor.execute(f'REVOKE UPDATE, DELETE ON "{audit_log}" FROM {quoted}')
    return generated


def _check_owner() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, pg_has_role(tableowner, 'USAGE') FROM pg_tables "
            "WHERE schemaname = current_schema() AND tablename = %s",
            [Organization._meta.db_table],
        )
        role, is_owner = cursor.fetchone() or ("", False)
    if not is_owner:
        raise NotOwner(role)


def _prepare_role(role: str, password: str | None) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper OR rolbypassrls OR EXISTS (SELECT 1 FROM pg_tables "
            "WHERE schemaname = current_schema() AND tablename = ANY(%s) "
            "AND pg_has_role(rolname, tableowner, 'MEMBER')), quote_ident(%s) "
            "FROM pg_roles RIGHT JOIN (VALUES (1)) AS one ON rolname = %s",
            [[model._meta.db_table for model in owned_models()], role, role],
        )
        is_exempt, quoted = cursor.fetchone()
        if is_exempt:
            raise InvalidArgument(
                f"Row-level security does not apply to the role {role!r}: it is a superuser, has "
                "BYPASSRLS, or owns the tables. Name another role; it is created if necessary."
            )
        generated = None
        if is_exempt is None:
            if password is None:
                password = generated = secrets.token_urlsafe(24)
            cursor.execute(f"CREATE ROLE {quoted} LOGIN")
        if password is not None:
            # Hashed here, so that the server's log never has it.
            hashed = cursor.connection.pgconn.encrypt_password(
                password.encode(), role.encode(), b"scram-sha-256"
            )
            cursor.execute(f"ALTER ROLE {quoted} PASSWORD '{hashed.decode()}'")
    return generated


@transaction.atomic
def update_policies() -> list[str]:
    """Create the policies that are missing or outdated; return the names of their tables."""
    tables = [table for table, state in status().tables.items() if state is not State.CURRENT]
    with connection.cursor() as cursor:
        for table in tables:
            _drop_policies(table)
            cursor.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
        for policy in policies():
            if policy.table in tables:
                for statement in policy.statements:
                    cursor.execute(statement)
        cursor.execute("SELECT quote_ident(current_schema())")
        for statement in _functions(cursor.fetchone()[0]):
            cursor.execute(statement)
    return tables


@transaction.atomic
def disable() -> None:
    """Remove all policies. Roles keep their privileges. Raises NotOwner."""
    _check_owner()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP FUNCTION IF EXISTS {FIND_MESSAGES}(text), {SET_CALLER}(text, text)")
        for table in status().tables:
            _drop_policies(table)
            cursor.execute(f'ALTER TABLE "{table}" DISABLE ROW LEVEL SECURITY')


def _drop_policies(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(policyname) FROM pg_policies "
            "WHERE schemaname = current_schema() AND tablename = %s",
            [table],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'DROP POLICY {name} ON "{table}"')
