"""Check and complete rows read from V1, in place.

Everything here raises V1RowError, which names the row, for a value that can't be stored.
"""

import hashlib
import uuid
from array import array
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import orjson
from django.db.models import CharField

from ...domain.archives.archives import MAX_NAME_LENGTH
from ...domain.conversations.agents import check_agent
from ...domain.errors import DomainError, InvalidValue
from ...domain.tools.rules import checked_rules
from ...encryption import encrypt
from ...ids import PrefixedUUIDField, is_id
from ...models import Tool
from ...models.agents import REQUIRES_APPROVAL
from ...models.blocks import LABEL_LENGTH
from ..agent_files.model import ROLES
from ..validation import MAX_INTEGER, check_storable
from . import rows
from .queries import V1BlockHistory
from .v1_database import V1RowError

ParsedT = TypeVar("ParsedT", dict[str, Any], list[Any])


def derived_id(prefix: str, *parts: str) -> str:
    """Return an id for a row that V1 does not have: the same for the same parts."""
    digest = hashlib.sha256(" ".join(parts).encode()).digest()
    return f"{prefix}-{uuid.UUID(bytes=digest[:16], version=4)}"


def default_conversation_id(agent_id: str) -> str:
    """Return the id of the default conversation, which V1 does not store."""
    return derived_id("conv", "default", agent_id)


def fit_label(label: str) -> str:
    """Return a label that is not too long: the same for the same label, and for no other."""
    if len(label) <= LABEL_LENGTH:
        return label
    digest = hashlib.sha256(label.encode()).hexdigest()[:16]
    return f"{label[: LABEL_LENGTH - 17]}-{digest}"


def check_columns(batch: Sequence[rows.OrganizationRow | rows.MemberRow | rows.OwnedRow]) -> None:
    """Check the form of ids and the length of texts in rows of one class."""
    if not batch:
        return
    columns = rows.model_fields(type(batch[0]))
    prefix = cast(PrefixedUUIDField, columns["id"]).prefix
    lengths = {
        name: field.max_length
        for name, field in columns.items()
        if isinstance(field, CharField) and field.max_length is not None
    }
    for row in batch:
        if not is_id(prefix, row.id):
            raise V1RowError(row.id, f"expected an id like {prefix}-<uuid4> in lower case")
        for name, max_length in lengths.items():
            value = getattr(row, name)
            if value is not None and len(value) > max_length:
                problem = f"{name} has {len(value)} characters; expected at most {max_length}"
                raise V1RowError(row.id, problem)


def parse_json(row: rows.OwnedRow, name: str, kind: type[ParsedT]) -> ParsedT:
    """Parse a JSON column; null is as empty. The text is what is stored: no number is rounded."""
    text = getattr(row, name)
    if text is None:
        return kind()
    try:
        value = orjson.loads(text)
        # Only an escape can encode what PostgreSQL can't store; only brackets nest.
        if "\\u" in text or text.count("[") + text.count("{") > 90:
            check_storable(value)
    except (ValueError, DomainError) as error:
        raise V1RowError(row.id, f"{name} can't be stored: {error}") from None
    if not isinstance(value, kind):
        expected = "an array" if kind is list else "an object"
        raise V1RowError(row.id, f"{name}: expected {expected}, got {text[:40]}")
    return value


def dump(value: Any) -> str:
    """Serialize to JSON."""
    return orjson.dumps(value).decode()


def convert_revisions(row: rows.BlockRow, history: list[V1BlockHistory]) -> list[rows.RevisionRow]:
    """Return the texts of a block, oldest first; the last is its present one."""
    present = V1BlockHistory(row.v1_id, row.value, row.limit, row.description, row.updated_at)
    if not history or history[-1] != present:
        history = [*history, present]
    return [
        rows.RevisionRow(
            block_id=row.id,
            number=number,
            value=text.value,
            description=text.description,
            limit=min(max(text.limit, len(text.value), 1), MAX_INTEGER),
            written_at=text.written_at,
            conversation_id=row.conversation_id,
        )
        for number, text in enumerate(history, start=1)
    ]


def _embedding_handle(row: rows.AgentRow | rows.ArchiveRow) -> str | None:
    """Return the handle of the embedding model."""
    config = parse_json(row, "embedding_config", dict)
    handle = config.get("handle")
    if handle is None and isinstance(model := config.get("embedding_model"), str):
        handle = f"{config.get('embedding_endpoint_type') or 'openai'}/{model}"
    if not isinstance(handle, str | None) or len(handle or "") > 200:
        raise V1RowError(
            row.id, "embedding_config has a handle that is no text of at most 200 characters"
        )
    return handle


class Converter:
    """Checks and completes rows of organizations whose users are known."""

    def __init__(self, organization_of_user: dict[str, str]):
        self._organization_of_user = organization_of_user

    def check_owned(self, batch: Sequence[rows.OwnedRow]) -> None:
        """Check columns, and drop users of other organizations: V1 let everyone act anywhere."""
        check_columns(batch)
        organizations = self._organization_of_user
        for row in batch:
            if organizations.get(row.created_by_id or "") != row.organization_id:
                row.created_by_id = None
            if organizations.get(row.last_updated_by_id or "") != row.organization_id:
                row.last_updated_by_id = None

    def agent(self, row: rows.AgentRow, tools: list[rows.AttachedToolRow]) -> list[str]:
        """Complete an agent from its configuration and its tools.

        Returns what is wrong with the tool rules that are left out.
        """
        config = parse_json(row, "llm_config", dict)
        provider = config.get("provider_name") or config.get("model_endpoint_type") or "openai"
        row.model = str(config.get("handle") or f"{provider}/{config.get('model') or 'unknown'}")
        if len(row.model) > 200:
            raise V1RowError(row.id, "llm_config has a handle of more than 200 characters")
        row.embedding = _embedding_handle(row)
        temperature, max_tokens = config.get("temperature"), config.get("max_tokens")
        settings = {"temperature": temperature, "max_output_tokens": max_tokens}
        settings = {name: value for name, value in settings.items() if value is not None}
        row.model_settings = dump(settings) if settings else None
        try:
            check_agent({"timezone": row.timezone})
        except DomainError as error:
            raise V1RowError(row.id, str(error)) from None
        window = config.get("context_window")
        if isinstance(window, int) and 0 < window <= MAX_INTEGER:
            row.context_window_limit = window
        parse_json(row, "metadata", dict)
        return self._set_rules(row, tools)

    def _set_rules(self, row: rows.AgentRow, tools: list[rows.AttachedToolRow]) -> list[str]:
        rules, problems = [], []
        need_approval = [
            {"type": REQUIRES_APPROVAL, "tool_name": tool.name}
            for tool in tools
            if tool.requires_approval
        ]
        for rule in [*parse_json(row, "tool_rules", list), *need_approval]:
            try:
                [checked] = checked_rules([rule])
            except InvalidValue as error:
                problems.append(error.message)
                continue
            if checked not in rules:
                rules.append(checked)
        row.tool_rules = dump(rules)
        return problems

    def tool(self, row: rows.ToolRow) -> None:
        """Check a tool."""
        for name in ("json_schema", "args_json_schema", "metadata"):
            parse_json(row, name, dict)
        for name in ("tags", "pip_requirements", "npm_requirements"):
            parse_json(row, name, list)
        if row.return_char_limit < 0:
            row.return_char_limit = Tool.RETURN_CHAR_LIMIT

    def variable(self, row: rows.VariableRow) -> None:
        """Encrypt an environment variable."""
        row.value = encrypt(row.value)

    def block(self, row: rows.BlockRow) -> None:
        """Check a block; shorten its label; raise its limit to the length of its value."""
        row.label = fit_label(row.label)
        parse_json(row, "metadata", dict)
        row.limit = max(row.limit, len(row.value), 1)

    def archive(self, row: rows.ArchiveRow) -> None:
        """Complete an archive with its embedding model."""
        parse_json(row, "metadata", dict)
        row.embedding = _embedding_handle(row)
        row.name = row.name[:MAX_NAME_LENGTH]

    def passage(self, row: rows.PassageRow) -> None:
        """Check a passage, and count the numbers of its vector."""
        parse_json(row, "metadata", dict)
        if not all(isinstance(tag, str) for tag in parse_json(row, "tags", list)):
            raise V1RowError(row.id, "tags has an item that is no text")
        if row.embedding:
            row.embedding = array("f", row.embedding).tolist()  # As they are read here.
            row.dimensions = len(row.embedding)
        else:
            row.embedding = None

    def conversation(self, row: rows.ConversationRow) -> None:
        """Check a conversation."""
        parse_json(row, "model_settings", dict)

    def message(self, row: rows.MessageRow) -> None:
        """Check a message, and use the present name of its role."""
        role = ROLES.get(row.role)
        if role is None:
            raise V1RowError(row.id, f"role is {row.role!r}; expected one of {', '.join(ROLES)}")
        row.role = role
        for part in parse_json(row, "content", list):
            if not (isinstance(part, dict) and isinstance(part.get("type"), str)):
                raise V1RowError(row.id, "content has a part without a type")
        for call in parse_json(row, "tool_calls", list):
            function = call.get("function") if isinstance(call, dict) else None
            if not (isinstance(function, dict) and {"name", "arguments"} <= set(function)):
                raise V1RowError(row.id, "tool_calls has a call without a name and arguments")
            if "id" not in call:
                raise V1RowError(row.id, "tool_calls has a call without an id")
        if not all(isinstance(each, dict) for each in parse_json(row, "tool_returns", list)):
            raise V1RowError(row.id, "tool_returns has an item that is no object")

    def run(self, row: rows.RunRow) -> None:
        """Check a run; one without a conversation belongs to the agent's default one."""
        parse_json(row, "metadata", dict)
        parse_json(row, "request_config", dict)
        row.conversation_id = row.conversation_id or default_conversation_id(row.agent_id)

    def step(self, row: rows.StepRow) -> None:
        """Check a step, and complete its error."""
        row.error = str(parse_json(row, "error_data", dict).get("message") or row.error)


def default_conversation_row(agent: rows.AgentRow) -> rows.ConversationRow:
    """Return the default conversation of an agent, which V1 does not store."""
    return rows.ConversationRow(
        default_conversation_id(agent.id),
        agent.organization_id,
        agent.created_at,
        agent.created_at,
        agent.created_by_id,
        agent.last_updated_by_id,
        agent_id=agent.id,
        is_default=True,
    )
