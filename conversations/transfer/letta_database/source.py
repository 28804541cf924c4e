"""The V1 database: opened to be read only, at one moment, and only when it is one we know."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg.rows import namedtuple_row

from ...domain.errors import DomainError

T = TypeVar("T")

_numbers = count()
# The schema's version, as V1's migrations name it, and the server that had it last.
KNOWN_REVISIONS = {"1c28e167b74f": "0.16.8"}
# What is read at once from a cursor of the server.
FETCHED = 1000
CONNECT_TIMEOUT = 10
# The tables that are mapped, with the columns read of them.
NEEDED = {
    "organizations": "id name created_at is_deleted",
    "users": "id name created_at is_deleted organization_id",
    "agents": "id name created_at updated_at description message_ids system agent_type llm_config "
    "embedding_config metadata_ tool_rules is_deleted organization_id last_run_completion timezone "
    "hidden",
    "agents_tags": "agent_id tag",
    "tools": "id name json_schema source_code",
    "tools_agents": "agent_id tool_id",
    "block": "id value limit template_name label metadata_ description is_template organization_id "
    "created_at updated_at is_deleted read_only project_id hidden",
    "block_history": "block_id sequence_number value limit description metadata_ created_at",
    "blocks_tags": "block_id tag",
    "blocks_agents": "agent_id block_id block_label",
    "blocks_conversations": "conversation_id block_id block_label",
    "conversations": "id agent_id summary created_at updated_at is_deleted organization_id model "
    "model_settings last_message_at",
    "conversation_messages": "conversation_id message_id position in_context is_deleted",
    "messages": "id agent_id role text content tool_calls tool_call_id tool_returns name otid "
    "sender_id group_id model run_id step_id is_err sequence_id conversation_id is_deleted "
    "created_at updated_at organization_id approvals approve",
    "runs": "id status stop_reason background metadata_ request_config agent_id conversation_id "
    "completed_at ttft_ns total_duration_ns is_deleted created_at organization_id",
    "steps": "id run_id model model_handle provider_name stop_reason error_type error_data "
    "completion_tokens prompt_tokens total_tokens is_deleted created_at organization_id",
}


class SourceError(DomainError):
    """The V1 database can't be read, or a row in it can't be stored here; nothing was written."""


class RowError(SourceError):
    def __init__(self, table: str, row: str, wrong: str):
        super().__init__(f"{table} {row}: {wrong}")


class Scope(NamedTuple):
    """Which rows come; None: all. Soft-deleted ones only if asked for."""

    organizations: list[str] | None = None
    agents: list[str] | None = None
    deleted: bool = False


@dataclass
class Source:
    connection: psycopg.Connection
    revision: str
    scope: Scope

    def rows(self, statement: str, **values: Any) -> Iterator[Any]:
        """The rows of a query, through a cursor of the server: memory stays flat."""
        parameters = {**self.scope._asdict(), **values}
        # Some are open while others are read.
        name = f"rows_{next(_numbers)}"
        with self.connection.cursor(name=name, row_factory=namedtuple_row) as cursor:
            cursor.itersize = FETCHED
            cursor.execute(statement.encode(), parameters)
            yield from cursor

    def all(self, statement: str, **values: Any) -> list[Any]:
        """The rows of a query that answers few."""
        parameters = {**self.scope._asdict(), **values}
        with self.connection.cursor(row_factory=namedtuple_row) as cursor:
            return cursor.execute(statement.encode(), parameters).fetchall()


@contextmanager
def open_source(url: str, scope: Scope, *, accept: str | None = None) -> Iterator[Source]:
    """A snapshot of a V1 database; everything that is read comes from one moment.

    `accept` is a revision, not among the known ones, that the operator wants tried.
    """
    # V1's own setting names a driver: postgresql+asyncpg://…
    scheme, colon, rest = url.partition("://")
    try:
        connection = psycopg.connect(
            f"{scheme.partition('+')[0]}{colon}{rest}", connect_timeout=CONNECT_TIMEOUT
        )
    except psycopg.Error as error:
        raise SourceError(f"Can't open the V1 database: {str(error).strip()}") from None
    try:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        # So that times read, and digest, as they do here.
        connection.execute("SET TIME ZONE 'UTC'")
        _check_tables(connection)
        yield Source(connection, _check_revision(connection, accept), scope)
    except psycopg.Error as error:
        raise SourceError(f"The V1 database failed: {str(error).strip()}") from error
    finally:
        connection.close()


def _check_revision(connection: psycopg.Connection, accept: str | None) -> str:
    found = [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]
    known = ", ".join(f"{revision} (Letta {name})" for revision, name in KNOWN_REVISIONS.items())
    if len(found) != 1:
        raise SourceError(
            f"alembic_version has {len(found)} rows, so the dump was not loaded whole; known "
            f"revisions are {known}"
        )
    if found[0] not in KNOWN_REVISIONS and found[0] != accept:
        raise SourceError(
            f"The V1 database is at revision {found[0]!r}; known are {known}. Upgrade it with that "
            f"V1's `alembic upgrade`, or try it as it is with --accept-revision {found[0]}"
        )
    return found[0]


def _check_tables(connection: psycopg.Connection) -> None:
    """A dump that was cut off has tables without columns, or, since keys come last, without key."""
    columns: dict[str, set[str]] = {}
    for table, column in connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema()"
    ):
        columns.setdefault(table, set()).add(column)
    if "alembic_version" not in columns:
        raise SourceError("This is no V1 database: it has no table alembic_version")
    for table, needed in NEEDED.items():
        missing = [name for name in needed.split() if name not in columns.get(table, set())]
        if table not in columns or missing:
            what = f"lacks {', '.join(missing)}" if table in columns else "is missing"
            raise SourceError(f"This is not a whole V1 database: table {table} {what}")
    keyed = {
        row[0]
        for row in connection.execute(
            "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'p'"
        )
    }
    for table in ("conversation_messages", "messages", "steps", "users"):
        if table not in keyed:
            raise SourceError(
                f"The dump was not loaded to its end: table {table} has no primary key yet"
            )


def resolve_organizations(url: str, wanted: list[str], accept: str | None) -> list[str]:
    """Organizations of the V1 database by name or id."""
    found = []
    with open_source(url, Scope(), accept=accept) as source:
        rows = source.all("SELECT id, name FROM organizations")
    for word in wanted:
        fitting = [row.id for row in rows if word in (row.id, row.name)]
        if len(fitting) != 1:
            names = ", ".join(f"{row.name!r} ({row.id})" for row in rows)
            raise SourceError(f"{word!r} names {len(fitting)} organizations of {names}")
        found += fitting
    return found


def chunks(rows: Iterator[T], size: int = FETCHED) -> Iterator[list[T]]:
    while chunk := list(islice(rows, size)):
        yield chunk
