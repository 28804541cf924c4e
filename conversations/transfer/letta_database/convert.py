"""How a row of V1 reads here. What can't be stored is an error that names the row."""

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
from ..agent_files.json_reader import MAX_IN_COLUMN, check_storable
from ..agent_files.pieces import TOOL_FIELDS
from .source import RowError

# In V1 a row's time may be missing.
LONG_AGO = datetime(2023, 1, 1, tzinfo=UTC)
# What a system message says that was compiled from we don't know what: it is stale.
UNKNOWN_PROMPT = '{"system": "", "blocks": []}'


def derived_id(prefix: str, *parts: str) -> str:
    """An id for a row that V1 does not have: the same one each time."""
    digest = hashlib.sha256(" ".join(parts).encode()).digest()
    return f"{prefix}-{uuid.UUID(bytes=digest[:16], version=4)}"


class Reader:
    """Reads rows of one table of V1, and knows its users."""

    def __init__(self, table: str, users: dict[str, str]):
        self.table = table
        self.users = users

    def wrong(self, row: Any, what: str) -> RowError:
        return RowError(self.table, row.id, what)

    def owned(self, row: Any, prefix: str) -> tuple:
        """The columns that all tenants' rows begin with. Users of other organizations are left
        out, since V1 let everybody act anywhere."""
        self.check_id(row, prefix)
        created = row.created_at or row.updated_at or LONG_AGO
        by, since = self._user(row.created_by, row), self._user(row.updated_by, row)
        return (row.id, row.organization_id, created, row.updated_at or created, by, since)

    def _user(self, user_id: str | None, row: Any) -> str | None:
        known = user_id is not None and self.users.get(user_id) == row.organization_id
        return user_id if known else None

    def check_id(self, row: Any, prefix: str) -> None:
        if not is_id(prefix, row.id):
            raise self.wrong(row, f"expected an id like {prefix}-<uuid4> in lower case")

    def text(self, row: Any, name: str, most: int) -> str | None:
        value = getattr(row, name)
        if value is not None and len(value) > most:
            raise self.wrong(row, f"{name} has {len(value)} characters; expected at most {most}")
        return value

    def json(self, row: Any, name: str, kind: type = dict) -> Any:
        """A JSON value; None where V1 has null."""
        text = getattr(row, name)
        if text is None or text == "null":
            return None
        try:
            value = orjson.loads(text)
            # Only an escape can say what no text of PostgreSQL holds.
            if "\\u" in text or text.count("[") + text.count("{") > 90:
                check_storable(value)
        except (ValueError, DomainError) as error:
            raise self.wrong(row, f"{name} can't be stored: {error}") from None
        if not isinstance(value, kind):
            raise self.wrong(row, f"{name} is {text[:40]}; expected JSON of another type")
        return value

    def json_text(self, row: Any, name: str, kind: type = dict, *, default: str) -> str:
        """A JSON value as V1 wrote it, so that nothing of it is rounded."""
        return default if self.json(row, name, kind) is None else getattr(row, name)


def dumped(value: Any) -> str:
    return orjson.dumps(value).decode()


def agent_row(reader: Reader, row: Any, tools: list[dict[str, Any]]) -> tuple:
    config = reader.json(row, "llm_config") or {}
    provider = config.get("provider_name") or config.get("model_endpoint_type") or "openai"
    handle = str(config.get("handle") or f"{provider}/{config.get('model') or 'unknown'}")
    if len(handle) > 200:
        raise reader.wrong(row, "llm_config has a handle of more than 200 characters")
    settings = {
        ours: config[theirs]
        for ours, theirs in (("temperature", "temperature"), ("max_output_tokens", "max_tokens"))
        if config.get(theirs) is not None
    }
    rules = reader.json(row, "tool_rules", list) or []
    approval = [
        rule.get("tool_name")
        for rule in rules
        if isinstance(rule, dict) and rule.get("type") == "requires_approval"
    ]
    approval += [tool["name"] for tool in tools if tool.get("default_requires_approval")]
    zone = reader.text(row, "timezone", 64) or "UTC"
    try:
        check_agent({"timezone": zone})
    except DomainError as error:
        raise reader.wrong(row, str(error)) from None
    names = list(dict.fromkeys(tool["name"] for tool in tools))
    window = config.get("context_window")
    is_sound = isinstance(window, int) and 0 < window <= MAX_IN_COLUMN
    embedding = (reader.json(row, "embedding_config") or {}).get("handle")
    if embedding is not None and not (isinstance(embedding, str) and len(embedding) <= 200):
        raise reader.wrong(row, "embedding_config has a handle that is no text of 200 characters")
    return (
        *reader.owned(row, "agent"),
        reader.text(row, "name", 200) or row.id,
        row.description,
        row.system or "",
        reader.text(row, "agent_type", 50) or "letta_v1_agent",
        handle,
        dumped(settings) if settings else None,
        embedding,
        window if is_sound else Agent.DEFAULT_CONTEXT_WINDOW,
        zone,
        dumped(names),
        dumped([name for name in dict.fromkeys(approval) if name in names]),
        dumped([_own_tool(tool) for tool in tools if tool["name"] not in FUNCTIONS]),
        row.tags or "[]",
        reader.json_text(row, "metadata", default="{}"),
        row.hidden,
        "[]",
        row.last_run_completion,
        deleted_at(row),
    )


def _own_tool(tool: dict[str, Any]) -> dict[str, Any]:
    return {name: tool[name] for name in TOOL_FIELDS if tool.get(name) is not None}


def block_row(
    reader: Reader,
    row: Any,
    *,
    block_id: str,
    label: str,
    conversation_id: str | None,
    version: int,
) -> tuple:
    if not re.fullmatch(LABEL_PATTERN, label) or len(label) > LABEL_LENGTH:
        raise reader.wrong(
            row,
            f"label {label!r} can't be a label here: expected at most {LABEL_LENGTH} letters, "
            "digits, underscores, hyphens and slashes. Rename it in V1",
        )
    _, *owned = reader.owned(row, "block")
    return (
        block_id,
        *owned,
        label,
        row.value,
        limit_of(row),
        row.description,
        reader.json_text(row, "metadata", default="{}"),
        row.read_only,
        False,
        row.hidden or (True if row.left_behind else None),
        row.tags or "[]",
        version,
        row.is_template,
        reader.text(row, "template_name", 200),
        reader.text(row, "project_id", 200),
        conversation_id,
        deleted_at(row),
    )


def deleted_at(row: Any) -> datetime | None:
    return (row.updated_at or row.created_at or LONG_AGO) if row.is_deleted else None


def limit_of(row: Any) -> int:
    """V1 did not enforce limits. The text is kept, so the limit gives way."""
    return max(row.limit, len(row.value), 1)


def conversation_row(reader: Reader, row: Any) -> tuple:
    settings = reader.json(row, "model_settings")
    return (
        *reader.owned(row, "conv"),
        row.agent_id,
        False,
        row.summary,
        reader.text(row, "model", 200) or None,
        row.model_settings if settings is not None else None,
        False,
        1,
        UNKNOWN_PROMPT,
        row.last_message_at,
        None,
        deleted_at(row),
    )


def own_thread_id(agent_id: str) -> str:
    return derived_id("conv", "default", agent_id)


def own_thread_row(agent: tuple) -> tuple:
    """The default conversation, which V1 does not have as a row."""
    agent_id, organization_id, created_at, _, created_by, updated_by, *_ = agent
    owned = (own_thread_id(agent_id), organization_id, created_at, created_at, created_by)
    return (
        *owned, updated_by, agent_id, True, None, None, None, False, 1, UNKNOWN_PROMPT,
        None, None, None,
    )  # fmt: skip
