"""The rows read from a V1 database, each with its query.

Field names of a row class are column names of its query. Every query keeps to the scope; rows that
belong to an agent are imported into the agent's organization, whatever their own row says.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Generic, TypeVar

RowT = TypeVar("RowT")


@dataclass(frozen=True)
class Query(Generic[RowT]):
    """A SELECT statement and the class of its rows."""

    row: Callable[..., RowT]
    sql: str


def select(
    row: type[RowT], body: str, json: tuple[str, ...] = (), **expressions: str
) -> Query[RowT]:
    """Build a query that selects the fields of a dataclass from the table `t` of `body`.

    `expressions` compute fields that are no columns of `t`; `json` names columns to read as text.
    """
    known = {
        "created_by": "t._created_by_id",
        "updated_by": "t._last_updated_by_id",
        "metadata": "t.metadata_::text",
        **{name: f"t.{name}::text" for name in json},
        **expressions,
    }
    names = [field.name for field in fields(row)]  # type: ignore[arg-type]  # a dataclass
    columns = ", ".join(f"""{known.get(name, f't."{name}"')} AS "{name}\"""" for name in names)
    return Query(row, f"SELECT {columns} {body}")  # only constants


@dataclass(slots=True)
class V1Organization:
    """An organization."""

    id: str
    name: str
    created_at: datetime | None


@dataclass(slots=True)
class V1User:
    """A user of one organization."""

    id: str
    name: str
    created_at: datetime | None
    organization_id: str


@dataclass(slots=True)
class V1Owned:
    """The columns that all rows of an organization share."""

    id: str
    organization_id: str
    created_at: datetime | None
    updated_at: datetime | None
    created_by: str | None
    updated_by: str | None


@dataclass(slots=True)
class V1Agent(V1Owned):
    """An agent; `tags` and all other JSON columns are JSON text."""

    name: str | None
    description: str | None
    system: str | None
    agent_type: str | None
    llm_config: str | None
    embedding_config: str | None
    metadata: str | None
    tool_rules: str | None
    timezone: str | None
    hidden: bool | None
    last_run_completion: datetime | None
    is_deleted: bool
    message_ids: str | None
    tags: str | None


@dataclass(slots=True)
class V1AgentTool:
    """A tool of an agent, the whole row as JSON text."""

    agent_id: str
    tool: str


@dataclass(slots=True)
class V1Block(V1Owned):
    """A block. `is_orphan`: an isolated copy whose conversation is gone."""

    label: str
    value: str
    limit: int
    description: str | None
    metadata: str | None
    read_only: bool
    hidden: bool | None
    is_template: bool
    template_name: str | None
    project_id: str | None
    is_deleted: bool
    tags: str | None
    is_orphan: bool


@dataclass(slots=True)
class V1IsolatedBlock(V1Block):
    """A block isolated in a conversation, with the agent's block for the same label.

    `is_used_elsewhere`: an agent or a second conversation reads the block too. `is_base`: the
    agent's block has not changed since the block was isolated.
    """

    conversation_id: str
    block_label: str
    isolated_at: datetime | None
    is_used_elsewhere: bool
    shared_block_id: str | None
    shared_value: str | None
    is_base: bool | None


@dataclass(slots=True)
class V1BlockHistory:
    """An earlier text of a block."""

    block_id: str
    value: str
    limit: int
    description: str | None
    created_at: datetime | None


@dataclass(slots=True)
class V1AttachedBlock:
    """A block attached to an agent."""

    agent_id: str
    block_id: str
    label: str
    position: int
    attached_at: datetime | None
    organization_id: str
    is_own: bool


@dataclass(slots=True)
class V1Conversation(V1Owned):
    """A conversation."""

    agent_id: str
    summary: str | None
    model: str | None
    model_settings: str | None
    last_message_at: datetime | None
    is_deleted: bool


@dataclass(slots=True)
class V1Run(V1Owned):
    """A run with the totals of its steps."""

    agent_id: str
    conversation_id: str | None
    status: str
    stop_reason: str | None
    background: bool | None
    metadata: str | None
    request_config: str | None
    completed_at: datetime | None
    ttft_ns: int | None
    total_duration_ns: int | None
    step_count: int
    last_step_at: datetime | None
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None


@dataclass(slots=True)
class V1Step(V1Owned):
    """A step with its number in the run."""

    run_id: str
    number: int
    model: str | None
    model_handle: str | None
    provider_name: str | None
    stop_reason: str | None
    error_type: str | None
    error_data: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    cached_input_tokens: int | None
    reasoning_tokens: int | None


@dataclass(slots=True)
class V1Message(V1Owned):
    """A message."""

    agent_id: str
    role: str
    content: str | None
    text: str | None
    tool_calls: str | None
    tool_call_id: str | None
    tool_returns: str | None
    name: str | None
    otid: str | None
    sender_id: str | None
    group_id: str | None
    model: str | None
    run_id: str | None
    step_id: str | None
    is_err: bool | None


@dataclass(slots=True)
class V1MessagePosition:
    """A message's place: `list_id` is a conversation, or an agent for its own messages."""

    list_id: str
    message_id: str
    role: str
    in_context: bool
    position: int | None
    sequence_id: int


ALL_ORGANIZATIONS = select(V1Organization, "FROM organizations t ORDER BY created_at, id")
ORGANIZATIONS = select(
    V1Organization,
    """FROM organizations t
    WHERE (%(deleted)s OR NOT is_deleted)
    AND (%(organizations)s::text[] IS NULL OR id = ANY(%(organizations)s))
    AND (%(agents)s::text[] IS NULL
         OR id IN (SELECT organization_id FROM agents WHERE id = ANY(%(agents)s)))
    ORDER BY created_at, id""",
)
USERS = select(
    V1User,
    """FROM users t
    WHERE (%(deleted)s OR NOT is_deleted) AND organization_id = ANY(%(found)s)
    ORDER BY created_at, id""",
)
AGENTS = select(
    V1Agent,
    """FROM agents t
    WHERE t.organization_id = ANY(%(found)s) AND (%(deleted)s OR NOT t.is_deleted)
    AND (%(agents)s::text[] IS NULL OR t.id = ANY(%(agents)s))
    ORDER BY t.id""",
    json=("llm_config", "embedding_config", "tool_rules", "message_ids"),
    tags="(SELECT json_agg(tag ORDER BY tag)::text FROM agents_tags x WHERE x.agent_id = t.id)",
)
TOOLS = select(
    V1AgentTool,
    """FROM tools_agents t JOIN tools tool ON tool.id = t.tool_id
    WHERE t.agent_id = ANY(%(batch)s) ORDER BY t.agent_id, tool.name""",
    tool="row_to_json(tool)::text",
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
_BLOCK_TAGS = """(SELECT json_agg(tag ORDER BY tag)::text FROM blocks_tags x
    WHERE x.block_id = t.id AND NOT x.is_deleted)"""
BLOCKS = select(
    V1Block,
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
    is_orphan=_ORPHAN,
)
ISOLATED_BLOCKS = select(
    V1IsolatedBlock,
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
    tags=_BLOCK_TAGS,
    is_orphan="false",
    conversation_id="x.conversation_id",
    block_label="x.block_label",
    isolated_at="c.created_at",
    is_used_elsewhere=_USED_ELSEWHERE,
    shared_block_id="shared.id",
    shared_value="shared.value",
    is_base="shared.updated_at <= greatest(c.created_at, t.created_at)",
)
BLOCK_HISTORY = select(
    V1BlockHistory,
    "FROM block_history t WHERE block_id = ANY(%(batch)s) ORDER BY block_id, sequence_number",
)
ATTACHED_BLOCKS = select(
    V1AttachedBlock,
    """FROM blocks_agents t JOIN block b ON b.id = t.block_id JOIN agents a ON a.id = t.agent_id
    WHERE t.agent_id = ANY(%(batch)s) AND NOT b.is_deleted
    ORDER BY t.agent_id, position""",
    label="t.block_label",
    position="row_number() OVER (PARTITION BY t.agent_id ORDER BY b.created_at, b.id) - 1",
    attached_at="greatest(a.created_at, b.created_at)",
    organization_id="b.organization_id",
    is_own="b.organization_id = a.organization_id",
)
CONVERSATIONS = select(
    V1Conversation,
    """FROM conversations t JOIN agents a ON a.id = t.agent_id
    WHERE t.agent_id = ANY(%(batch)s) AND (%(deleted)s OR NOT t.is_deleted) ORDER BY t.id""",
    json=("model_settings",),
    organization_id="a.organization_id",
)
# The run of a plain turn names no conversation; its messages do.
RUNS = select(
    V1Run,
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
    json=("request_config",),
    organization_id="a.organization_id",
    completed_at="t.completed_at AT TIME ZONE 'UTC'",
    conversation_id="""coalesce(c.id, (SELECT min(mc.id) FROM messages m
        JOIN conversations mc ON mc.id = m.conversation_id AND mc.agent_id = t.agent_id
            AND (%(deleted)s OR NOT mc.is_deleted)
        WHERE m.run_id = t.id))""",
    step_count="s.step_count",
    last_step_at="s.last_step_at",
    prompt_tokens="s.prompt_tokens",
    completion_tokens="s.completion_tokens",
    total_tokens="s.total_tokens",
)
# Numbers include the steps outside the scope, so that a later import with --deleted can add them.
STEPS = select(
    V1Step,
    """FROM (
        SELECT *, row_number() OVER (PARTITION BY run_id ORDER BY created_at, id) AS number
        FROM steps WHERE run_id IN (SELECT id FROM runs WHERE agent_id = ANY(%(batch)s))
    ) t JOIN runs r ON r.id = t.run_id JOIN agents a ON a.id = r.agent_id
    LEFT JOIN conversations c ON c.id = r.conversation_id AND c.agent_id = r.agent_id
    WHERE r.agent_id = ANY(%(batch)s) AND (%(deleted)s OR NOT (r.is_deleted OR t.is_deleted))
    AND (%(deleted)s OR c.id IS NULL OR NOT c.is_deleted)
    ORDER BY t.id""",
    json=("error_data",),
    organization_id="a.organization_id",
)
# A message is imported if it is the agent's own, is listed in an imported conversation, or names
# an imported conversation that has lost it.
MESSAGES = select(
    V1Message,
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
    json=("content", "tool_calls", "tool_returns"),
    organization_id="a.organization_id",
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
ALL: tuple[Query[Any], ...] = (
    ALL_ORGANIZATIONS,
    ORGANIZATIONS,
    USERS,
    AGENTS,
    TOOLS,
    BLOCKS,
    ISOLATED_BLOCKS,
    BLOCK_HISTORY,
    ATTACHED_BLOCKS,
    CONVERSATIONS,
    RUNS,
    STEPS,
    MESSAGES,
    CONVERSATION_ORDER,
    AGENT_ORDER,
)
