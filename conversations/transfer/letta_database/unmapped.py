"""Count and export the V1 rows that this server has no table or column for."""

from collections.abc import Iterator
from typing import NamedTuple

from .findings import Findings
from .v1_database import V1Database

# Join tables have an agent_id; tables with neither that nor an organization_id can't be scoped.
TABLES = (
    "groups",
    "groups_agents",
    "groups_blocks",
    "jobs",
    "llm_batch_items",
    "llm_batch_job",
    "mcp_oauth",
    "mcp_server",
    "mcp_tools",
    "prompts",
    "provider_models",
    "provider_trace_metadata",
    "provider_traces",
    "providers",
    "run_metrics",
    "sandbox_configs",
    "sandbox_environment_variables",
    "step_metrics",
)
# Rows imported only in part, and rows not imported.
PARTS = {
    "agents": "true",
    "agent_environment_variables": "is_deleted AND NOT %(deleted)s "
    "OR value = '' AND value_enc IS NOT NULL",
    "identities": "is_deleted AND NOT %(deleted)s",
    "tools": "is_deleted AND NOT %(deleted)s",
    "messages": "coalesce(approvals::text, 'null') IN ('null', '[]') AND approve IS NOT NULL "
    "OR is_deleted AND NOT %(deleted)s OR conversation_id IS NOT NULL AND NOT EXISTS ("
    "SELECT FROM conversations c WHERE c.id = t.conversation_id AND c.agent_id = t.agent_id "
    "AND (%(deleted)s OR NOT c.is_deleted))",
    "runs": "callback_url IS NOT NULL",
    "steps": "run_id IS NULL",
    "conversations": "is_deleted AND NOT %(deleted)s",
    "block": "is_deleted AND NOT %(deleted)s",
    "sources": "is_deleted",
    "files": "is_deleted",
    "source_passages": "is_deleted OR file_id IS NULL",
}


class UnmappedRows(NamedTuple):
    """How many rows of a table are not imported, or only in part."""

    table: str
    row_count: int
    is_partial: bool


def count_unmapped(v1: V1Database) -> Iterator[UnmappedRows]:
    """Count the unmapped rows of each table that has any."""
    for table, source in _sources(v1):
        [count] = v1.scalars(f"SELECT count(*) {source}")
        if count:
            yield UnmappedRows(table, count, is_partial=table in PARTS)


def unmapped_rows(v1: V1Database) -> Iterator[str]:
    """Return a line of JSON, {"table", "row"}, for each unmapped row, as V1 stores it.

    The rows include V1's secrets.
    """
    for table, source in _sources(v1):
        yield from _lines(v1, table, source)


def _lines(v1: V1Database, table: str, source: str, **parameters: list[str]) -> Iterator[str]:
    for row in v1.scalars(f"SELECT row_to_json(t)::text {source}", **parameters):
        # A line break in JSON is whitespace between values; in strings it is escaped.
        line = row.replace("\r", " ").replace("\n", " ")
        yield f'{{"table": "{table}", "row": {line}}}\n'


def lost_rows(v1: V1Database, findings: Findings) -> Iterator[str]:
    """Return a line like those of `unmapped_rows` for each row that is left behind.

    Also for the rows that belong to it, and for those imported in part.
    """
    agents = list(findings.left_behind["agents"])
    organizations = list(findings.left_behind["organizations"])
    for table, columns in v1.columns().items():
        ids = [*findings.left_behind.get(table, ()), *findings.incomplete.get(table, ())]
        owners = {"id": ids, "agent_id": agents, "organization_id": organizations}
        conditions = [f"t.{name} = ANY(%({name})s)" for name in owners if name in columns]
        if conditions and (ids or agents or organizations):
            source = f'FROM "{table}" AS t WHERE {" OR ".join(conditions)}'
            yield from _lines(v1, table, source, **owners)


def _sources(v1: V1Database) -> Iterator[tuple[str, str]]:
    """Return the FROM and WHERE clauses of each table; they contain only constants."""
    columns = v1.columns()
    for table, condition in {**dict.fromkeys(TABLES, "true"), **PARTS}.items():
        if table in columns:
            scope = _scope(v1, table, columns[table])
            yield table, f'FROM "{table}" AS t WHERE ({condition}) AND {scope}'


def _scope(v1: V1Database, table: str, columns: set[str]) -> str:
    """Return the condition for rows in scope; rows that can't be attributed are excluded."""
    agent_column = "id" if table == "agents" else "agent_id"
    if v1.scope.agents is None and v1.scope.organizations is None:
        return "true"
    if v1.scope.agents is not None:
        return f"t.{agent_column} = ANY(%(agents)s)" if agent_column in columns else "false"
    if "organization_id" in columns:
        return "t.organization_id = ANY(%(organizations)s)"
    if agent_column not in columns:
        return "false"
    return "t.agent_id IN (SELECT id FROM agents WHERE organization_id = ANY(%(organizations)s))"
