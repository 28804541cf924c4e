"""What a V1 database has that has no place here: counted, and kept in a file if wanted."""

from collections.abc import Iterator
from typing import NamedTuple

from psycopg import sql

from .source import Source

# Whole tables. Join tables say whose they are by their agent, and some only by what they join.
TABLES = (
    "agent_environment_variables",
    "archival_passages",
    "archives",
    "archives_agents",
    "file_contents",
    "files",
    "files_agents",
    "groups",
    "groups_agents",
    "groups_blocks",
    "identities",
    "identities_agents",
    "identities_blocks",
    "jobs",
    "llm_batch_items",
    "llm_batch_job",
    "mcp_oauth",
    "mcp_server",
    "mcp_tools",
    "passage_tags",
    "prompts",
    "provider_models",
    "provider_trace_metadata",
    "provider_traces",
    "providers",
    "run_metrics",
    "sandbox_configs",
    "sandbox_environment_variables",
    "source_passages",
    "sources",
    "sources_agents",
    "step_metrics",
    "tools",
)
# Rows that come, of which something does not; and rows that do not come at all.
PARTS = {
    "agents": "true",
    "messages": "approvals::text NOT IN ('null', '[]') OR approve IS NOT NULL "
    "OR is_deleted AND NOT %(deleted)s OR conversation_id IS NOT NULL AND NOT EXISTS ("
    "SELECT FROM conversations c WHERE c.id = t.conversation_id AND c.agent_id = t.agent_id "
    "AND (%(deleted)s OR NOT c.is_deleted))",
    "runs": "callback_url IS NOT NULL",
    "steps": "run_id IS NULL OR feedback IS NOT NULL",
    "conversations": "is_deleted AND NOT %(deleted)s",
    "block": "is_deleted AND NOT %(deleted)s",
}
# Those of agents are asked for by another name.
_AGENT_COLUMN = {"agents": "id"}


class Leftover(NamedTuple):
    table: str
    what: str
    rows: int


def leftovers(source: Source) -> Iterator[Leftover]:
    """How many rows of each table have no place, or only a part."""
    for table, condition, what in _wanted(source):
        statement = sql.SQL("SELECT count(*) AS rows FROM {} AS t WHERE {}").format(
            sql.Identifier(table), condition
        )
        [row] = source.all(statement.as_string(source.connection))
        if row.rows:
            yield Leftover(table, what, row.rows)


def leftover_rows(source: Source) -> Iterator[str]:
    """The rows themselves, whole: {"table", "row"} on a line each, as V1 wrote them. They hold
    secrets where V1's do."""
    for table, condition, _ in _wanted(source):
        statement = sql.SQL("SELECT row_to_json(t)::text AS row FROM {} AS t WHERE {}").format(
            sql.Identifier(table), condition
        )
        for row in source.rows(statement.as_string(source.connection)):
            # A line break in JSON is between values; in a text it is written as an escape.
            line = row.row.replace("\r", " ").replace("\n", " ")
            yield f'{{"table": "{table}", "row": {line}}}\n'


def _wanted(source: Source) -> Iterator[tuple[str, sql.Composable, str]]:
    columns = _columns(source)
    for table in TABLES:
        if table in columns:
            yield table, _scope(source, table, columns[table]), "no place here"
    for table, condition in PARTS.items():
        what = "some of their settings have no place here" if table == "agents" else ""
        whole = sql.SQL("({}) AND {}").format(
            sql.SQL(condition),
            _scope(source, table, columns[table]),
        )
        yield table, whole, what or "in part or as a whole without a place here"


def _columns(source: Source) -> dict[str, set[str]]:
    columns: dict[str, set[str]] = {}
    for row in source.all(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema()"
    ):
        columns.setdefault(row.table_name, set()).add(row.column_name)
    return columns


def _scope(source: Source, table: str, columns: set[str]) -> sql.Composable:
    """Rows of the agents or organizations that are wanted. A table that does not say whose its
    rows are is left out then: they may be anybody's."""
    agents, organizations = source.scope.agents, source.scope.organizations
    agent = sql.SQL("t.{}").format(sql.Identifier(_AGENT_COLUMN.get(table, "agent_id")))
    has_agent = table in _AGENT_COLUMN or "agent_id" in columns
    if agents is None and organizations is None:
        return sql.SQL("true")
    if agents is not None:
        return sql.SQL("{} = ANY(%(agents)s)").format(agent) if has_agent else sql.SQL("false")
    if "organization_id" in columns:
        return sql.SQL("t.organization_id = ANY(%(organizations)s)")
    if not has_agent:
        return sql.SQL("false")
    theirs = "{} IN (SELECT id FROM agents WHERE organization_id = ANY(%(organizations)s))"
    return sql.SQL(theirs).format(agent)
