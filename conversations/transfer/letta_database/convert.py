"""Convert rows of V1 into rows of this server.

Everything here raises V1RowError, which names the row, for a value that can't be stored.
"""

import hashlib
import re
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson

from ...domain.conversations.agents import check_agent
from ...domain.errors import DomainError
from ...domain.tools.definitions import FUNCTIONS
from ...ids import is_id
from ...models import Agent
from ...models.blocks import LABEL_LENGTH, LABEL_PATTERN
from ..agent_files.model import ROLES, TOOL_FIELDS
from ..storable import MAX_INTEGER, check_storable
from .queries import (
    V1Agent,
    V1AgentTool,
    V1Block,
    V1BlockHistory,
    V1Conversation,
    V1Message,
    V1Organization,
    V1Owned,
    V1Run,
    V1Step,
    V1User,
)
from .rows import (
    AgentRow,
    BlockRow,
    ConversationRow,
    MessageRow,
    RevisionRow,
    RunRow,
    StepRow,
)
from .v1_database import V1RowError

# The time of V1 rows that have none.
UNKNOWN_TIME = datetime(2023, 1, 1, tzinfo=UTC)
ENDED = ("completed", "failed", "cancelled")
OwnedValues = tuple[str, str, datetime, datetime, str | None, str | None]


def derived_id(prefix: str, *parts: str) -> str:
    """Return an id for a row that V1 does not have: the same for the same parts."""
    digest = hashlib.sha256(" ".join(parts).encode()).digest()
    return f"{prefix}-{uuid.UUID(bytes=digest[:16], version=4)}"


def default_conversation_id(agent_id: str) -> str:
    """Return the id of the default conversation, which V1 does not store."""
    return derived_id("conv", "default", agent_id)


def check_id(row: V1Organization | V1User | V1Owned, prefix: str) -> None:
    """Check that an id has the form that ids have here."""
    if not is_id(prefix, row.id):
        raise V1RowError(row.id, f"expected an id like {prefix}-<uuid4> in lower case")


def text(row: Any, name: str, max_length: int) -> str | None:
    """Return a text that has to fit its column."""
    value: str | None = getattr(row, name)
    if value is not None and len(value) > max_length:
        raise V1RowError(
            row.id, f"{name} has {len(value)} characters; expected at most {max_length}"
        )
    return value


def parse_json(row: V1Owned, name: str, kind: type = dict) -> Any:
    """Parse a JSON column; None for null."""
    value_text = getattr(row, name)
    if value_text is None or value_text == "null":
        return None
    try:
        value = orjson.loads(value_text)
        # Only an escape can encode what PostgreSQL can't store; only brackets nest.
        if "\\u" in value_text or value_text.count("[") + value_text.count("{") > 90:
            check_storable(value)
    except (ValueError, DomainError) as error:
        raise V1RowError(row.id, f"{name} can't be stored: {error}") from None
    if not isinstance(value, kind):
        expected = "an array" if kind is list else "an object"
        raise V1RowError(row.id, f"{name}: expected {expected}, got {value_text[:40]}")
    return value


def json_text(row: V1Owned, name: str, kind: type = dict, *, default: str) -> str:
    """Check a JSON column and return its text, so that no number is rounded."""
    return default if parse_json(row, name, kind) is None else getattr(row, name)


def dump(value: Any) -> str:
    """Serialize to JSON."""
    return orjson.dumps(value).decode()


def _list_text(value: str | None) -> str:
    return "[]" if value is None or value == "null" else value


def parse_tool(link: V1AgentTool) -> dict[str, Any]:
    """Parse a tool of an agent."""
    try:
        tool: dict[str, Any] = orjson.loads(link.tool)
        check_storable(tool)
    except (ValueError, DomainError) as error:
        raise V1RowError(link.agent_id, f"a tool of it can't be stored: {error}") from None
    return tool


def stored_limit(row: V1Block) -> int:
    """Return the limit, raised to the length of the value: V1 did not enforce limits."""
    return max(row.limit, len(row.value), 1)


def deleted_at(row: V1Agent | V1Block | V1Conversation) -> datetime | None:
    """Return when a row was deleted, as far as V1 tells."""
    return (row.updated_at or row.created_at or UNKNOWN_TIME) if row.is_deleted else None


def run_status(row: V1Run) -> str:
    """Return the status of a run. V1 leaves plain turns `created`: steps tell that they ended."""
    if row.status in ENDED:
        return row.status
    return "completed" if row.step_count else "failed"


def convert_revisions(
    row: V1Block, history: list[V1BlockHistory], *, block_id: str, conversation_id: str | None
) -> list[RevisionRow]:
    """Convert the texts of a block, oldest first; the last is its present one."""
    texts = [(each.value, each.limit, each.description, each.created_at) for each in history]
    present = (row.value, stored_limit(row), row.description, row.updated_at or row.created_at)
    if not texts or texts[-1][:3] != present[:3]:
        texts.append(present)
    return [
        RevisionRow(
            block_id=block_id,
            number=number,
            value=value,
            description=description,
            limit=min(max(limit, len(value), 1), MAX_INTEGER),
            written_at=written_at or UNKNOWN_TIME,
            conversation_id=conversation_id,
        )
        for number, (value, limit, description, written_at) in enumerate(texts, start=1)
    ]


class Converter:
    """Converts rows of organizations whose users are known."""

    def __init__(self, organization_of_user: dict[str, str]):
        self._organization_of_user = organization_of_user

    def agent(self, row: V1Agent, tools: list[dict[str, Any]]) -> AgentRow:
        """Convert an agent with its tools."""
        config = parse_json(row, "llm_config") or {}
        provider = config.get("provider_name") or config.get("model_endpoint_type") or "openai"
        handle = str(config.get("handle") or f"{provider}/{config.get('model') or 'unknown'}")
        if len(handle) > 200:
            raise V1RowError(row.id, "llm_config has a handle of more than 200 characters")
        embedding = (parse_json(row, "embedding_config") or {}).get("handle")
        if embedding is not None and not (isinstance(embedding, str) and len(embedding) <= 200):
            raise V1RowError(
                row.id, "embedding_config has a handle that is no text of at most 200 characters"
            )
        settings = {
            ours: config[theirs]
            for ours, theirs in (
                ("temperature", "temperature"),
                ("max_output_tokens", "max_tokens"),
            )
            if config.get(theirs) is not None
        }
        zone = text(row, "timezone", 64) or "UTC"
        try:
            check_agent({"timezone": zone})
        except DomainError as error:
            raise V1RowError(row.id, str(error)) from None
        window = config.get("context_window")
        if not (isinstance(window, int) and 0 < window <= MAX_INTEGER):
            window = Agent.DEFAULT_CONTEXT_WINDOW
        names = list(dict.fromkeys(tool["name"] for tool in tools))
        need_approval = [
            rule.get("tool_name")
            for rule in parse_json(row, "tool_rules", list) or []
            if isinstance(rule, dict) and rule.get("type") == "requires_approval"
        ]
        need_approval += [tool["name"] for tool in tools if tool.get("default_requires_approval")]
        definitions = [
            {name: tool[name] for name in TOOL_FIELDS if tool.get(name) is not None}
            for tool in tools
            if tool["name"] not in FUNCTIONS
        ]
        return AgentRow(
            *self._owned(row, "agent"),
            name=text(row, "name", 200) or row.id,
            description=row.description,
            system=row.system or "",
            agent_type=text(row, "agent_type", 50) or "letta_v1_agent",
            model=handle,
            model_settings=dump(settings) if settings else None,
            embedding=embedding,
            context_window_limit=window,
            timezone=zone,
            tools=dump(names),
            approval_tools=dump([name for name in dict.fromkeys(need_approval) if name in names]),
            tool_definitions=dump(definitions),
            tags=row.tags or "[]",
            metadata=json_text(row, "metadata", default="{}"),
            hidden=row.hidden,
            last_run_completed_at=row.last_run_completion,
            deleted_at=deleted_at(row),
        )

    def block(
        self,
        row: V1Block,
        *,
        block_id: str,
        label: str,
        conversation_id: str | None,
        version: int,
    ) -> BlockRow:
        """Convert a block under the given id and label."""
        if not re.fullmatch(LABEL_PATTERN, label) or len(label) > LABEL_LENGTH:
            raise V1RowError(
                row.id,
                f"label {label!r}: expected at most {LABEL_LENGTH} letters, digits, underscores, "
                "hyphens and slashes. Rename it in the V1 database",
            )
        return BlockRow(
            *self._owned(row, "block", block_id),
            label=label,
            value=row.value,
            limit=stored_limit(row),
            description=row.description,
            metadata=json_text(row, "metadata", default="{}"),
            read_only=row.read_only,
            hidden=row.hidden or (True if row.is_orphan else None),
            tags=row.tags or "[]",
            version=version,
            is_template=row.is_template,
            template_name=text(row, "template_name", 200),
            project_id=text(row, "project_id", 200),
            conversation_id=conversation_id,
            deleted_at=deleted_at(row),
        )

    def conversation(self, row: V1Conversation) -> ConversationRow:
        """Convert a conversation."""
        settings = parse_json(row, "model_settings")
        return ConversationRow(
            *self._owned(row, "conv"),
            agent_id=row.agent_id,
            is_default=False,
            summary=row.summary,
            model=text(row, "model", 200) or None,
            model_settings=None if settings is None else row.model_settings,
            last_message_at=row.last_message_at,
            deleted_at=deleted_at(row),
        )

    def message(self, row: V1Message) -> MessageRow:
        """Convert a message."""
        role = ROLES.get(row.role)
        if role is None:
            raise V1RowError(row.id, f"role is {row.role!r}; expected one of {', '.join(ROLES)}")
        content, content_text = parse_json(row, "content", list), row.content
        if content is None:
            content = [{"type": "text", "text": row.text}] if row.text else []
            content_text = dump(content)
        for part in content:
            if not (isinstance(part, dict) and isinstance(part.get("type"), str)):
                raise V1RowError(row.id, "content has a part without a type")
        for call in parse_json(row, "tool_calls", list) or []:
            function = call.get("function") if isinstance(call, dict) else None
            if not (isinstance(function, dict) and {"name", "arguments"} <= set(function)):
                raise V1RowError(row.id, "tool_calls has a call without a name and arguments")
            if "id" not in call:
                raise V1RowError(row.id, "tool_calls has a call without an id")
        returns = parse_json(row, "tool_returns", list) or []
        if not all(isinstance(each, dict) for each in returns):
            raise V1RowError(row.id, "tool_returns has an item that is no object")
        return MessageRow(
            *self._owned(row, "message"),
            agent_id=row.agent_id,
            role=role,
            content=content_text or "[]",
            tool_calls=_list_text(row.tool_calls),
            tool_call_id=text(row, "tool_call_id", 200),
            tool_returns=_list_text(row.tool_returns),
            name=text(row, "name", 200),
            otid=text(row, "otid", 200),
            sender_id=text(row, "sender_id", 200),
            group_id=text(row, "group_id", 200),
            model=text(row, "model", 200),
            run_id=row.run_id,
            step_id=row.step_id,
            is_err=row.is_err,
        )

    def run(self, row: V1Run) -> RunRow:
        """Convert a run; one that V1 left unfinished has ended."""
        status, stop_reason, error = run_status(row), text(row, "stop_reason", 50), ""
        if row.status not in ENDED:
            stop_reason = stop_reason or ("end_turn" if row.step_count else "error")
            error = "" if row.step_count else "V1 never finished this run"
        usage = {
            "prompt_tokens": row.prompt_tokens or 0,
            "completion_tokens": row.completion_tokens or 0,
            "total_tokens": row.total_tokens or 0,
            "step_count": row.step_count,
        }
        return RunRow(
            *self._owned(row, "run"),
            agent_id=row.agent_id,
            conversation_id=row.conversation_id or default_conversation_id(row.agent_id),
            status=status,
            stop_reason=stop_reason,
            background=bool(row.background),
            metadata=json_text(row, "metadata", default="{}"),
            request_config=json_text(row, "request_config", default="{}"),
            usage=dump(usage),
            error=error,
            started_at=row.created_at,
            completed_at=row.completed_at or row.last_step_at or row.updated_at,
            ttft_ns=row.ttft_ns,
            total_duration_ns=row.total_duration_ns,
        )

    def step(self, row: V1Step) -> StepRow:
        """Convert a step."""
        model = row.model_handle or "/".join(filter(None, [row.provider_name, row.model]))
        usage = {
            "prompt_tokens": row.prompt_tokens,
            "completion_tokens": row.completion_tokens,
            "total_tokens": row.total_tokens,
            "cached_input_tokens": row.cached_input_tokens,
            "reasoning_tokens": row.reasoning_tokens,
        }
        error = parse_json(row, "error_data") or {}
        return StepRow(
            *self._owned(row, "step"),
            run_id=row.run_id,
            number=row.number,
            model=model[:200],
            stop_reason=text(row, "stop_reason", 50),
            usage=dump({name: value for name, value in usage.items() if value is not None}),
            error=str(error.get("message") or row.error_type or ""),
        )

    def _owned(self, row: V1Owned, prefix: str, row_id: str | None = None) -> OwnedValues:
        """Return the values of an OwnedRow, under V1's id or another."""
        check_id(row, prefix)
        created = row.created_at or row.updated_at or UNKNOWN_TIME
        return (
            row_id or row.id,
            row.organization_id,
            created,
            row.updated_at or created,
            self._member(row.created_by, row),
            self._member(row.updated_by, row),
        )

    def _member(self, user_id: str | None, row: V1Owned) -> str | None:
        """Drop users of other organizations: V1 let everyone act anywhere."""
        if user_id is None or self._organization_of_user.get(user_id) != row.organization_id:
            return None
        return user_id


def default_conversation_row(agent: AgentRow) -> ConversationRow:
    """Make the default conversation of an agent, which V1 does not store."""
    return ConversationRow(
        default_conversation_id(agent.id),
        agent.organization_id,
        agent.created_at,
        agent.created_at,
        agent.created_by_id,
        agent.last_updated_by_id,
        agent_id=agent.id,
        is_default=True,
    )
