"""The queries of the import: each selects the rows of one class from a V1 database.

Every query keeps to the scope; rows that belong to an agent are imported into the agent's
organization, whatever their own row says.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db.models import JSONField

from ...models import Tool
from . import rows

T = TypeVar("T")

# The time of V1 rows that have none.
UNKNOWN_TIME = "timestamptz '2023-01-01 00:00Z'"
CREATED = f"coalesce(t.created_at, {UNKNOWN_TIME})"
UPDATED = f"coalesce(t.updated_at, t.created_at, {UNKNOWN_TIME})"
# V1's columns that have another name here, or a value that is to be completed.
OWNED = {
    "created_at": f"coalesce(t.created_at, t.updated_at, {UNKNOWN_TIME})",
    "updated_at": UPDATED,
    "created_by_id": "t._created_by_id",
    "last_updated_by_id": "t._last_updated_by_id",
    "deleted_at": f"CASE WHEN t.is_deleted THEN {UPDATED} END",
}


@dataclass(frozen=True)
class Query(Generic[T]):
    """A SELECT statement and the class of its rows."""

    row: Callable[..., T]
    sql: str


def json_text(column: str, default: str = "NULL") -> str:
    """Return the expression for the text of a JSON column, or the default for null."""
    return f"coalesce(nullif({column}::text, 'null'), {default})"


def select(row: type[T], body: str, **expressions: str) -> Query[T]:
    """Build a query that selects the fields of a dataclass from the table `t` of `body`.

    `expressions` compute fields that are not simply a column of `t`.
    """
    known = OWNED.copy() if issubclass(row, rows.OwnedRow) else {}
    if issubclass(row, rows.Row):
        for name, model_field in rows.model_fields(row).items():
            if isinstance(model_field, JSONField):
                column = "metadata_" if name == "metadata" else name
                default = "NULL" if model_field.null else f"'{model_field.get_default()}'"
                known[name] = json_text(f"t.{column}", default)
    known |= expressions
    names = [each.name for each in fields(row) if not each.kw_only]  # type: ignore[arg-type]  # a dataclass
    columns = ", ".join(f"""{known.get(name, f't."{name}"')} AS "{name}\"""" for name in names)
    return Query(row, f"SELECT {columns} {body}")  # only constants


@dataclass(slots=True)
class V1BlockHistory:
    """An earlier text of a block, equal to the same text of another time."""

    block_id: str
    value: str
    limit: int
    description: str | None
    written_at: datetime = field(compare=False)


@dataclass(slots=True)
class V1MessagePosition:
    """A message's place: `list_id` is a conversation, or an agent for its own messages."""

    list_id: str
    message_id: str
    role: str
    in_context: bool
    position: int | None
    sequence_id: int


ALL_ORGANIZATIONS = select(
    rows.OrganizationRow, "FROM organizations t ORDER BY t.created_at, id", created_at=CREATED
)
ORGANIZATIONS = select(
    rows.OrganizationRow,
    """FROM organizations t
    WHERE (%(deleted)s OR NOT is_deleted)
    AND (%(organizations)s::text[] IS NULL OR id = ANY(%(organizations)s))
    AND (%(agents)s::text[] IS NULL
         OR id IN (SELECT organization_id FROM agents WHERE id = ANY(%(agents)s)))
    ORDER BY t.created_at, id""",
    created_at=CREATED,
)
USERS = select(
    rows.MemberRow,
    """FROM users t
    WHERE (%(deleted)s OR NOT is_deleted) AND organization_id = ANY(%(found)s)
    ORDER BY t.created_at, id""",
    created_at=CREATED,
)
AGENTS = select(
    rows.AgentRow,
    """FROM agents t
    WHERE t.organization_id = ANY(%(found)s) AND (%(deleted)s OR NOT t.is_deleted)
    AND (%(agents)s::text[] IS NULL OR t.id = ANY(%(agents)s))
    ORDER BY t.id""",
    name="coalesce(nullif(t.name, ''), t.id)",
    system="coalesce(t.system, '')",
    agent_type="coalesce(nullif(t.agent_type, ''), 'letta_v1_agent')",
    timezone="coalesce(nullif(t.timezone, ''), 'UTC')",
    tags="""coalesce((SELECT json_agg(tag ORDER BY tag)::text
        FROM agents_tags x WHERE x.agent_id = t.id), '[]')""",
    last_run_completed_at="t.last_run_completion",
    max_files_open="CASE WHEN t.max_files_open BETWEEN 0 AND 1000 THEN t.max_files_open END",
    per_file_view_window_char_limit="""CASE WHEN t.per_file_view_window_char_limit > 0
        THEN t.per_file_view_window_char_limit END""",
    llm_config=json_text("t.llm_config", "'{}'"),
    embedding_config=json_text("t.embedding_config", "'{}'"),
    tool_rules=json_text("t.tool_rules", "'[]'"),
    message_ids=json_text("t.message_ids", "'[]'"),
)
TOOLS = select(
    rows.ToolRow,
    """FROM tools t
    WHERE t.organization_id = ANY(%(found)s) AND (%(deleted)s OR NOT t.is_deleted)
    AND (%(agents)s::text[] IS NULL OR EXISTS (
        SELECT FROM tools_agents x WHERE x.tool_id = t.id AND x.agent_id = ANY(%(agents)s)))
    ORDER BY t.id""",
    return_char_limit=f"coalesce(nullif(t.return_char_limit, 0), {Tool.RETURN_CHAR_LIMIT})",
    enable_parallel_execution="coalesce(t.enable_parallel_execution, false)",
)
ATTACHED_TOOLS = select(
    rows.AttachedToolRow,
    """FROM tools_agents t JOIN tools tool ON tool.id = t.tool_id
    JOIN agents a ON a.id = t.agent_id
    WHERE t.agent_id = ANY(%(batch)s) AND (%(deleted)s OR NOT tool.is_deleted)
    ORDER BY t.agent_id, tool.name""",
    name="tool.name",
    requires_approval="tool.default_requires_approval",
    is_own="tool.organization_id = a.organization_id",
)
VARIABLES = select(
    rows.VariableRow,
    """FROM agent_environment_variables t
    WHERE t.agent_id = ANY(%(batch)s) AND (%(deleted)s OR NOT t.is_deleted)
    ORDER BY t.agent_id, t.key, t.id""",
    name="t.key",
    is_readable="t.value <> '' OR t.value_enc IS NULL",
)
# A block attached to an agent, or isolated in a second conversation, is shared in effect; each
# conversation gets a copy of its own.
_USED_ELSEWHERE = """(
    EXISTS (SELECT FROM blocks_agents x WHERE x.block_id = t.id)
    OR (SELECT count(*) FROM blocks_conversations x WHERE x.block_id = t.id) > 1
)"""
# V1 leaves isolated copies behind when it deletes a conversation or fails to create one. Nothing
# marks them: they are unreferenced, and younger than an attached block that equals them in label,
# limit and description. The attached blocks are grouped once; a subquery per block is quadratic.
_ORPHAN = """(
    NOT t.is_template
    AND NOT EXISTS (SELECT FROM blocks_agents x WHERE x.block_id = t.id)
    AND NOT EXISTS (SELECT FROM blocks_conversations x WHERE x.block_id = t.id)
    AND NOT EXISTS (SELECT FROM identities_blocks x WHERE x.block_id = t.id)
    AND coalesce(first.created_at < t.created_at, false)
)"""
_BLOCK_TAGS = """coalesce((SELECT json_agg(tag ORDER BY tag)::text FROM blocks_tags x
    WHERE x.block_id = t.id AND NOT x.is_deleted), '[]')"""
BLOCKS = select(
    rows.BlockRow,
    f"""FROM block t LEFT JOIN (
        SELECT b.organization_id, link.block_label AS label, b."limit",
            '=' || b.description AS description, min(b.created_at) AS created_at
        FROM blocks_agents link JOIN block b ON b.id = link.block_id GROUP BY 1, 2, 3, 4
    ) first ON first.organization_id = t.organization_id
        AND first.label = t.label AND first."limit" = t."limit"
        AND coalesce(first.description, '') = coalesce('=' || t.description, '')
    WHERE t.organization_id = ANY(%(found)s) AND (%(deleted)s OR NOT t.is_deleted)
    AND (%(agents)s::text[] IS NULL OR EXISTS (
        SELECT FROM blocks_agents x WHERE x.block_id = t.id AND x.agent_id = ANY(%(agents)s)))
    AND (t.is_deleted OR {_USED_ELSEWHERE}
        OR NOT EXISTS (SELECT FROM blocks_conversations x WHERE x.block_id = t.id))
    ORDER BY t.id""",  # noqa: S608  # only constants
    tags=_BLOCK_TAGS,
    hidden=f"CASE WHEN {_ORPHAN} THEN true ELSE nullif(t.hidden, false) END",
    conversation_id="NULL",
    v1_id="t.id",
    is_orphan=_ORPHAN,
)
ISOLATED_BLOCKS = select(
    rows.V1IsolatedBlock,
    """FROM blocks_conversations x
    JOIN block t ON t.id = x.block_id
    JOIN conversations c ON c.id = x.conversation_id
    JOIN agents a ON a.id = c.agent_id
    LEFT JOIN blocks_agents link ON link.agent_id = c.agent_id AND link.block_label = x.block_label
        AND link.block_id <> x.block_id
    LEFT JOIN block shared ON shared.id = link.block_id
        AND (%(deleted)s OR NOT shared.is_deleted) AND shared.organization_id = a.organization_id
    WHERE x.conversation_id = ANY(%(batch)s) AND NOT t.is_deleted
    ORDER BY x.conversation_id, t.created_at, t.id""",
    organization_id="a.organization_id",
    label="x.block_label",
    tags=_BLOCK_TAGS,
    hidden="nullif(t.hidden, false)",
    conversation_id="x.conversation_id",
    v1_id="t.id",
    is_orphan="false",
    v1_label="t.label",
    isolated_at=f"coalesce(c.created_at, {UNKNOWN_TIME})",
    is_used_elsewhere=_USED_ELSEWHERE,
    shared_block_id="shared.id",
    shared_value="shared.value",
    is_base="shared.updated_at <= greatest(c.created_at, t.created_at)",
)
BLOCK_HISTORY = select(
    V1BlockHistory,
    "FROM block_history t WHERE block_id = ANY(%(batch)s) ORDER BY block_id, sequence_number",
    written_at=CREATED,
)
ATTACHED_BLOCKS = select(
    rows.AttachedBlockRow,
    """FROM blocks_agents t JOIN block b ON b.id = t.block_id JOIN agents a ON a.id = t.agent_id
    WHERE t.agent_id = ANY(%(batch)s) AND NOT b.is_deleted
    ORDER BY t.agent_id, position""",
    label="t.block_label",
    position="row_number() OVER (PARTITION BY t.agent_id ORDER BY b.created_at, b.id) - 1",
    attached_at=f"coalesce(greatest(a.created_at, b.created_at), {UNKNOWN_TIME})",
    organization_id="b.organization_id",
    is_own="b.organization_id = a.organization_id",
)
ARCHIVES = select(
    rows.ArchiveRow,
    """FROM archives t
    WHERE t.organization_id = ANY(%(found)s) AND (%(deleted)s OR NOT t.is_deleted)
    AND (%(agents)s::text[] IS NULL OR EXISTS (
        SELECT FROM archives_agents x WHERE x.archive_id = t.id AND x.agent_id = ANY(%(agents)s)))
    ORDER BY t.id""",
    name="coalesce(nullif(t.name, ''), t.id)",
    embedding_config=json_text("t.embedding_config", "'{}'"),
)
# V1 fills vectors up to 4,096 numbers.
_DIMENSIONS = "a.embedding_config->>'embedding_dim'"
PASSAGES = select(
    rows.PassageRow,
    """FROM archival_passages t JOIN archives a ON a.id = t.archive_id
    WHERE t.archive_id = ANY(%(batch)s) AND (%(deleted)s OR NOT t.is_deleted) ORDER BY t.id""",
    organization_id="a.organization_id",
    embedding=f"""(t.embedding::real[])[1:CASE
        WHEN {_DIMENSIONS} ~ '^[1-9][0-9]{{0,3}}$' THEN ({_DIMENSIONS})::int ELSE 4096 END]""",
)
ATTACHED_ARCHIVES = select(
    rows.AttachedArchiveRow,
    """FROM archives_agents t JOIN archives a ON a.id = t.archive_id
    JOIN agents g ON g.id = t.agent_id
    WHERE t.agent_id = ANY(%(batch)s) AND (%(deleted)s OR NOT a.is_deleted) ORDER BY t.agent_id""",
    is_own="a.organization_id = g.organization_id",
)
FOLDERS = select(
    rows.FolderRow,
    """FROM sources t
    WHERE t.organization_id = ANY(%(found)s) AND NOT t.is_deleted
    AND (%(agents)s::text[] IS NULL OR EXISTS (
        SELECT FROM sources_agents x WHERE x.source_id = t.id AND x.agent_id = ANY(%(agents)s)))
    ORDER BY t.id""",
    embedding_config=json_text("t.embedding_config", "'{}'"),
)
_HAS_TEXT = "c.text IS NOT NULL"
_FILE_NAME = "coalesce(nullif(t.file_name, ''), nullif(t.original_file_name, ''), t.id)"
# V1 puts the name of the folder before that of the file.
FILES = select(
    rows.FileRow,
    """FROM files t JOIN sources s ON s.id = t.source_id
    LEFT JOIN file_contents c ON c.file_id = t.id AND NOT c.is_deleted
    WHERE t.source_id = ANY(%(batch)s) AND NOT t.is_deleted ORDER BY t.id""",
    organization_id="s.organization_id",
    folder_id="t.source_id",
    name=f"""CASE WHEN starts_with(t.file_name, s.name || '/') AND t.file_name <> s.name || '/'
        THEN substr(t.file_name, length(s.name) + 2) ELSE {_FILE_NAME} END""",
    original_name=f"coalesce(nullif(t.original_file_name, ''), {_FILE_NAME})",
    media_type="coalesce(t.file_type, '')",
    size="greatest(coalesce(t.file_size, octet_length(c.text), 0), 0)",
    content="c.text",
    status=f"CASE WHEN {_HAS_TEXT} THEN 'parsed' ELSE 'error' END",
    error=f"""CASE WHEN {_HAS_TEXT} THEN '' ELSE
        coalesce(nullif(t.error_message, ''), 'V1 has no text of it; upload it again') END""",
    chunks="""(SELECT count(*) FROM source_passages p
        WHERE p.file_id = t.id AND p.source_id = t.source_id AND NOT p.is_deleted)""",
)
CHUNKS = select(
    rows.ChunkRow,
    """FROM source_passages t JOIN sources a ON a.id = t.source_id
    JOIN files f ON f.id = t.file_id AND f.source_id = t.source_id AND NOT f.is_deleted
    WHERE t.source_id = ANY(%(batch)s) AND NOT t.is_deleted ORDER BY t.id""",
    organization_id="a.organization_id",
    archive_id="t.source_id",
    deleted_at="NULL",
    embedding=f"""(t.embedding::real[])[1:CASE
        WHEN {_DIMENSIONS} ~ '^[1-9][0-9]{{0,3}}$' THEN ({_DIMENSIONS})::int ELSE 4096 END]""",
)
ATTACHED_FOLDERS = select(
    rows.AttachedFolderRow,
    """FROM sources_agents t JOIN sources s ON s.id = t.source_id AND NOT s.is_deleted
    JOIN agents g ON g.id = t.agent_id
    WHERE t.agent_id = ANY(%(batch)s) ORDER BY t.agent_id, s.created_at, s.id""",
    folder_id="t.source_id",
    is_own="s.organization_id = g.organization_id",
)
AGENT_FILES = select(
    rows.AgentFileRow,
    """FROM sources_agents t JOIN files f ON f.source_id = t.source_id AND NOT f.is_deleted
    LEFT JOIN files_agents x ON x.file_id = f.id AND x.agent_id = t.agent_id AND NOT x.is_deleted
    WHERE t.agent_id = ANY(%(batch)s) ORDER BY t.agent_id, f.id""",
    id="x.id",
    folder_id="t.source_id",
    file_id="f.id",
    is_open="coalesce(x.is_open, false)",
    # V1 counts lines from 0, too.
    start_line="CASE WHEN x.is_open AND x.start_line >= 0 THEN x.start_line END",
    end_line="CASE WHEN x.is_open AND x.end_line >= 0 THEN x.end_line END",
    accessed_at=f"coalesce(x.last_accessed_at, {UNKNOWN_TIME})",
    created_at=f"coalesce(x.created_at, {UNKNOWN_TIME})",
)
IDENTITIES = select(
    rows.IdentityRow,
    """FROM identities t
    WHERE t.organization_id = ANY(%(found)s) AND (%(deleted)s OR NOT t.is_deleted)
    AND (%(agents)s::text[] IS NULL OR EXISTS (
        SELECT FROM identities_agents x
        WHERE x.identity_id = t.id AND x.agent_id = ANY(%(agents)s)))
    ORDER BY t.id""",
)
IDENTITY_AGENTS = select(
    rows.AgentIdentityRow,
    """FROM identities_agents t JOIN identities i ON i.id = t.identity_id
    JOIN agents a ON a.id = t.agent_id
    WHERE t.agent_id = ANY(%(batch)s) AND (%(deleted)s OR NOT i.is_deleted)
    ORDER BY t.agent_id, t.identity_id""",
    is_own="i.organization_id = a.organization_id",
)
IDENTITY_BLOCKS = select(
    rows.BlockIdentityRow,
    """FROM identities_blocks t JOIN identities i ON i.id = t.identity_id
    JOIN block b ON b.id = t.block_id
    WHERE t.identity_id = ANY(%(batch)s) AND (%(deleted)s OR NOT b.is_deleted)
    ORDER BY t.identity_id, t.block_id""",
    is_own="i.organization_id = b.organization_id",
)
CONVERSATIONS = select(
    rows.ConversationRow,
    """FROM conversations t JOIN agents a ON a.id = t.agent_id
    WHERE t.agent_id = ANY(%(batch)s) AND (%(deleted)s OR NOT t.is_deleted) ORDER BY t.id""",
    organization_id="a.organization_id",
    model="nullif(t.model, '')",
)
# The run of a plain turn names no conversation, its messages do; it stays `created` in V1, its
# steps tell that it ended.
_ENDED = "t.status IN ('completed', 'failed', 'cancelled')"
_RAN = "s.step_count > 0"
RUNS = select(
    rows.RunRow,
    """FROM runs t JOIN agents a ON a.id = t.agent_id
    LEFT JOIN conversations c ON c.id = t.conversation_id AND c.agent_id = t.agent_id
    LEFT JOIN LATERAL (
        SELECT count(*) AS step_count, max(updated_at) AS last_step_at,
            sum(prompt_tokens) AS prompt_tokens, sum(completion_tokens) AS completion_tokens,
            sum(total_tokens) AS total_tokens
        FROM steps WHERE run_id = t.id AND (%(deleted)s OR NOT is_deleted)
    ) s ON true
    WHERE t.agent_id = ANY(%(batch)s) AND (%(deleted)s OR NOT t.is_deleted)
    AND (%(deleted)s OR c.id IS NULL OR NOT c.is_deleted)
    ORDER BY t.id""",
    organization_id="a.organization_id",
    conversation_id="""coalesce(c.id, (SELECT min(mc.id) FROM messages m
        JOIN conversations mc ON mc.id = m.conversation_id AND mc.agent_id = t.agent_id
            AND (%(deleted)s OR NOT mc.is_deleted)
        WHERE m.run_id = t.id))""",
    status=f"CASE WHEN {_ENDED} THEN t.status WHEN {_RAN} THEN 'completed' ELSE 'failed' END",
    v1_status="t.status",
    stop_reason=f"""CASE WHEN {_ENDED} OR t.stop_reason > '' THEN t.stop_reason
        WHEN {_RAN} THEN 'end_turn' ELSE 'error' END""",
    error=f"CASE WHEN {_ENDED} OR {_RAN} THEN '' ELSE 'V1 never finished this run' END",
    usage="""json_build_object('prompt_tokens', coalesce(s.prompt_tokens, 0),
        'completion_tokens', coalesce(s.completion_tokens, 0),
        'total_tokens', coalesce(s.total_tokens, 0), 'step_count', s.step_count)::text""",
    background="coalesce(t.background, false)",
    started_at="t.created_at",
    completed_at="coalesce(t.completed_at AT TIME ZONE 'UTC', s.last_step_at, t.updated_at)",
)
# Numbers include the steps outside the scope, so that a later import with --deleted can add them.
STEPS = select(
    rows.StepRow,
    """FROM (
        SELECT *, row_number() OVER (PARTITION BY run_id ORDER BY created_at, id) AS number
        FROM steps WHERE run_id IN (SELECT id FROM runs WHERE agent_id = ANY(%(batch)s))
    ) t JOIN runs r ON r.id = t.run_id JOIN agents a ON a.id = r.agent_id
    LEFT JOIN conversations c ON c.id = r.conversation_id AND c.agent_id = r.agent_id
    WHERE r.agent_id = ANY(%(batch)s) AND (%(deleted)s OR NOT (r.is_deleted OR t.is_deleted))
    AND (%(deleted)s OR c.id IS NULL OR NOT c.is_deleted)
    ORDER BY t.id""",
    organization_id="a.organization_id",
    model="""left(coalesce(nullif(t.model_handle, ''),
        concat_ws('/', nullif(t.provider_name, ''), nullif(t.model, ''))), 200)""",
    usage="""json_strip_nulls(json_build_object('prompt_tokens', t.prompt_tokens,
        'completion_tokens', t.completion_tokens, 'total_tokens', t.total_tokens,
        'cached_input_tokens', t.cached_input_tokens,
        'reasoning_tokens', t.reasoning_tokens))::text""",
    feedback="CASE WHEN t.feedback IN ('positive', 'negative') THEN t.feedback END",
    error="coalesce(t.error_type, '')",
    error_data=json_text("t.error_data", "'{}'"),
)
# A message is imported if it is the agent's own, is listed in an imported conversation, or names
# an imported conversation that has lost it.
MESSAGES = select(
    rows.MessageRow,
    """FROM messages t JOIN agents a ON a.id = t.agent_id
    LEFT JOIN runs r ON r.id = t.run_id AND r.agent_id = t.agent_id
        AND (%(deleted)s OR NOT r.is_deleted)
    LEFT JOIN conversations rc ON rc.id = r.conversation_id AND rc.agent_id = r.agent_id
    LEFT JOIN steps s ON s.id = t.step_id AND s.run_id = r.id AND (%(deleted)s OR NOT s.is_deleted)
    WHERE t.agent_id = ANY(%(batch)s) AND (
        t.conversation_id IS NULL AND (%(deleted)s OR NOT t.is_deleted)
        OR EXISTS (
            SELECT FROM conversation_messages cm JOIN conversations c ON c.id = cm.conversation_id
            WHERE cm.message_id = t.id AND c.agent_id = t.agent_id
            AND (%(deleted)s OR NOT (c.is_deleted OR cm.is_deleted)))
        OR EXISTS (
            SELECT FROM conversations c WHERE c.id = t.conversation_id AND c.agent_id = t.agent_id
            AND (%(deleted)s OR NOT (c.is_deleted OR t.is_deleted)))
    )""",
    organization_id="a.organization_id",
    content="CASE WHEN coalesce(t.approvals::text, 'null') NOT IN ('null', '[]') "
    "THEN t.approvals::text ELSE "
    + json_text(
        "t.content",
        """CASE WHEN t.text > '' THEN
        json_build_array(json_build_object('type', 'text', 'text', t.text))::text ELSE '[]' END""",
    )
    + " END",
    run_id="CASE WHEN rc.is_deleted AND NOT %(deleted)s THEN NULL ELSE r.id END",
    step_id="CASE WHEN rc.is_deleted AND NOT %(deleted)s THEN NULL ELSE s.id END",
)
CONVERSATION_ORDER = select(
    V1MessagePosition,
    """FROM (
        SELECT cm.conversation_id AS list_id, m.id AS message_id, m.role, cm.in_context,
            cm.position, m.sequence_id
        FROM conversation_messages cm JOIN messages m ON m.id = cm.message_id
        JOIN conversations c ON c.id = cm.conversation_id AND c.agent_id = m.agent_id
        WHERE cm.conversation_id = ANY(%(batch)s) AND (%(deleted)s OR NOT cm.is_deleted)
        UNION ALL
        SELECT m.conversation_id, m.id, m.role, false, NULL, m.sequence_id
        FROM messages m JOIN conversations c ON c.id = m.conversation_id
            AND c.agent_id = m.agent_id
        WHERE m.conversation_id = ANY(%(batch)s) AND (%(deleted)s OR NOT m.is_deleted)
        AND NOT EXISTS (SELECT FROM conversation_messages x WHERE x.message_id = m.id
                        AND x.conversation_id = m.conversation_id
                        AND (%(deleted)s OR NOT x.is_deleted))
    ) t ORDER BY list_id, sequence_id""",
)
AGENT_ORDER = select(
    V1MessagePosition,
    """FROM messages t WHERE t.agent_id = ANY(%(batch)s) AND t.conversation_id IS NULL
    AND (%(deleted)s OR NOT t.is_deleted)
    ORDER BY t.agent_id, t.sequence_id""",
    list_id="t.agent_id",
    message_id="t.id",
    in_context="false",
    position="NULL::int",
)
ALL: list[Query[Any]] = [each for each in vars().values() if isinstance(each, Query)]
