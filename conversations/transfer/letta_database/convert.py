"""Check, repair and complete rows read from V1, in place.

A repair is reported. A row that can't be repaired raises V1RowError, which names it.
"""

import hashlib
import re
import uuid
from array import array
from functools import cache
from typing import Any, TypeVar, cast

import orjson
from django.db.models import CharField

from ...domain.archives.archives import MAX_NAME_LENGTH
from ...domain.conversations.agents import check_agent
from ...domain.errors import DomainError, InvalidValue
from ...domain.tools.rules import checked_rules
from ...encryption import encrypt
from ...ids import PrefixedUUIDField, is_id
from ...models import IdentityType, Message, Tool
from ...models.agents import REQUIRES_APPROVAL
from ...models.blocks import LABEL_LENGTH
from ..agent_files.model import ROLES, with_types
from ..validation import MAX_INTEGER, check_storable
from . import rows
from .findings import Findings
from .queries import V1BlockHistory
from .v1_database import V1RowError

# An escape in JSON: a pair of surrogates, or in group 1 what can't be stored, or any other.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|u([dD][89a-fA-F][0-9a-fA-F]{2}|0000)|.)",
    re.DOTALL,
)
ParsedT = TypeVar("ParsedT", dict[str, Any], list[Any])


def derived_id(prefix: str, *parts: str) -> str:
    """Return an id for a row that V1 does not have: the same for the same parts."""
    digest = hashlib.sha256(" ".join(parts).encode()).digest()
    return f"{prefix}-{uuid.UUID(bytes=digest[:16], version=4)}"


def default_conversation_id(agent_id: str) -> str:
    """Return the id of the default conversation, which V1 does not store."""
    return derived_id("conv", "default", agent_id)


def folder_archive_id(folder_id: str) -> str:
    """Return the id of a folder's archive, which V1 does not have."""
    return derived_id("archive", "folder", folder_id)


def shortened(text: str, max_length: int) -> str:
    """Return a text that is not too long: the same for the same text, and for no other."""
    if len(text) <= max_length:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[: max_length - 17]}-{digest}"


def fit_label(label: str) -> str:
    """Return a label that is not too long, which is the same in every table."""
    return shortened(label, LABEL_LENGTH)


@cache
def _text_columns(row_class: Any) -> tuple[str, dict[str, int]]:
    """Return the prefix of ids, and the maximum length of each text column."""
    columns = rows.model_fields(row_class)
    lengths = {
        name: field.max_length
        for name, field in columns.items()
        if isinstance(field, CharField) and field.max_length is not None
    }
    return cast(PrefixedUUIDField, columns["id"]).prefix, lengths


def fit_columns(
    row: rows.OrganizationRow | rows.MemberRow | rows.OwnedRow, findings: Findings
) -> None:
    """Shorten texts that are too long; raise V1RowError for a malformed id."""
    prefix, lengths = _text_columns(cast(Any, type(row)))
    if not is_id(prefix, row.id):
        raise V1RowError(row.id, f"expected an id like {prefix}-<uuid4> in lower case")
    for name, max_length in lengths.items():
        value = getattr(row, name)
        if value is not None and len(value) > max_length:
            setattr(row, name, shortened(value, max_length))
            fitting = getattr(row, name)
            what = f"{name} has {len(value)} characters; imported as {fitting!r}"
            findings.repaired(row.id, what)


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


def replace_escapes(text: str) -> str:
    """Replace the escapes in JSON that encode NUL and lone surrogates with that of U+FFFD."""
    return _ESCAPE.sub(lambda found: "\\ufffd" if found[1] else found[0], text)


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


class Converter:
    """Checks, repairs and completes rows of organizations whose users are known."""

    def __init__(self, organization_of_user: dict[str, str], findings: Findings):
        self._organization_of_user = organization_of_user
        self._findings = findings

    def own(self, row: rows.OwnedRow) -> None:
        """Fit columns, and drop users of other organizations: V1 let everyone act anywhere."""
        fit_columns(row, self._findings)
        organizations = self._organization_of_user
        if organizations.get(row.created_by_id or "") != row.organization_id:
            row.created_by_id = None
        if organizations.get(row.last_updated_by_id or "") != row.organization_id:
            row.last_updated_by_id = None

    def agent(self, row: rows.AgentRow, tools: list[rows.AttachedToolRow]) -> None:
        """Complete an agent from its configuration and its tools."""
        config = self._parse_or_lose(row, "llm_config", dict)
        provider = config.get("provider_name") or config.get("model_endpoint_type") or "openai"
        row.model = str(config.get("handle") or f"{provider}/{config.get('model') or 'unknown'}")
        row.embedding = self._embedding_handle(row)
        temperature, max_tokens = config.get("temperature"), config.get("max_tokens")
        settings = {"temperature": temperature, "max_output_tokens": max_tokens}
        settings = {name: value for name, value in settings.items() if value is not None}
        row.model_settings = dump(settings) if settings else None
        try:
            check_agent({"timezone": row.timezone})
        except DomainError as error:
            row.timezone = "UTC"
            self._findings.repaired(row.id, f"{error}; imported as 'UTC'")
        window = config.get("context_window")
        if isinstance(window, int) and 0 < window <= MAX_INTEGER:
            row.context_window_limit = window
        self._parse_or_lose(row, "metadata", dict)
        self._parse_or_lose(row, "message_ids", list)
        self._set_rules(row, tools)

    def _set_rules(self, row: rows.AgentRow, tools: list[rows.AttachedToolRow]) -> None:
        rules = []
        need_approval = [
            {"type": REQUIRES_APPROVAL, "tool_name": tool.name}
            for tool in tools
            if tool.requires_approval
        ]
        for rule in [*self._parse_or_lose(row, "tool_rules", list), *need_approval]:
            try:
                [checked] = checked_rules([rule])
            except InvalidValue as error:
                self._findings.repaired(row.id, f"a tool rule is left out: {error.message}")
                continue
            if checked not in rules:
                rules.append(checked)
        row.tool_rules = dump(rules)

    def tool(self, row: rows.ToolRow) -> None:
        """Check a tool."""
        for name in ("json_schema", "args_json_schema", "metadata"):
            self._parse_or_lose(row, name, dict)
        for name in ("tags", "pip_requirements", "npm_requirements"):
            self._parse_or_lose(row, name, list)
        if row.return_char_limit < 0:
            row.return_char_limit = Tool.RETURN_CHAR_LIMIT

    def variable(self, row: rows.VariableRow) -> None:
        """Encrypt an environment variable."""
        row.value = encrypt(row.value)

    def block(self, row: rows.BlockRow) -> None:
        """Check a block; shorten its label; raise its limit to the length of its value."""
        label, limit = row.label, row.limit
        row.label = fit_label(label)
        if row.label != label:
            what = f"the label has {len(label)} characters; imported as {row.label!r}"
            self._findings.repaired(row.v1_id, what)
        self._parse_or_lose(row, "metadata", dict)
        row.limit = min(max(limit, len(row.value), 1), MAX_INTEGER)
        if row.limit > limit:
            self._findings.repaired(row.v1_id, f"the limit {limit} is raised to {row.limit}")

    def archive(self, row: rows.ArchiveRow) -> None:
        """Complete an archive with its embedding model."""
        self._parse_or_lose(row, "metadata", dict)
        row.embedding = self._embedding_handle(row)
        row.name = row.name[:MAX_NAME_LENGTH]

    def passage(self, row: rows.PassageRow) -> None:
        """Check a passage, and count the numbers of its vector."""
        self._parse_or_lose(row, "metadata", dict)
        tags = self._parse_or_lose(row, "tags", list)
        texts = [tag for tag in tags if isinstance(tag, str)]
        if texts != tags:
            row.tags = dump(texts)
            self._findings.lose_part(row, "tags has an item that is no text")
        if row.embedding:
            row.embedding = array("f", row.embedding).tolist()  # As they are read here.
            row.dimensions = len(row.embedding)
        else:
            row.embedding = None

    def folder(self, row: rows.FolderRow) -> None:
        """Complete a folder with its embedding model and the id of its archive."""
        self._parse_or_lose(row, "metadata", dict)
        row.embedding = self._embedding_handle(row)
        row.archive_id = folder_archive_id(row.id)

    def file(self, row: rows.FileRow) -> None:
        """Check a file."""
        row.size = min(row.size, MAX_INTEGER)

    def chunk(self, row: rows.ChunkRow) -> None:
        """Check a chunk of a file, which is a passage of the folder's archive."""
        if self._findings.left(rows.FileRow, row.file_id):
            raise V1RowError(row.id, f"its file {row.file_id} is left behind")
        row.archive_id = folder_archive_id(row.archive_id)
        self.passage(row)

    def identity(self, row: rows.IdentityRow) -> None:
        """Check an identity."""
        if row.identity_type not in IdentityType.values:
            what = f"identity_type is {row.identity_type!r}; imported as 'other'"
            self._findings.repaired(row.id, what)
            row.identity_type = IdentityType.OTHER.value
        given = self._parse_or_lose(row, "properties", list)
        properties = [each for each in given if isinstance(each, dict) and "key" in each]
        if properties != given:
            row.properties = dump(properties)
            self._findings.lose_part(row, "properties has an item without a key")

    def _embedding_handle(
        self, row: rows.AgentRow | rows.ArchiveRow | rows.FolderRow
    ) -> str | None:
        """Return the handle of the embedding model."""
        config = self._parse_or_lose(row, "embedding_config", dict)
        handle = config.get("handle")
        if handle is None and isinstance(model := config.get("embedding_model"), str):
            handle = f"{config.get('embedding_endpoint_type') or 'openai'}/{model}"
        if not isinstance(handle, str | None):
            self._findings.lose_part(row, "embedding_config has a handle that is no text")
            return None
        return handle

    def conversation(self, row: rows.ConversationRow) -> None:
        """Check a conversation."""
        self._parse_or_lose(row, "model_settings", dict)

    def message(self, row: rows.MessageRow) -> None:
        """Check a message, and use the present name of its role."""
        role = ROLES.get(row.role)
        if role is None:
            raise V1RowError(row.id, f"role is {row.role!r}; expected one of {', '.join(ROLES)}")
        row.role = role
        parts = self._parse(row, "content", list)
        if role == Message.Role.APPROVAL and (typed := with_types(parts)) != parts:
            row.content = dump(typed)
            parts = typed
        for part in parts:
            if not (isinstance(part, dict) and isinstance(part.get("type"), str)):
                raise V1RowError(row.id, "content has a part without a type")
        for call in self._parse(row, "tool_calls", list):
            function = call.get("function") if isinstance(call, dict) else None
            if not (isinstance(function, dict) and {"name", "arguments"} <= set(function)):
                raise V1RowError(row.id, "tool_calls has a call without a name and arguments")
            if "id" not in call:
                raise V1RowError(row.id, "tool_calls has a call without an id")
        if not all(isinstance(each, dict) for each in self._parse(row, "tool_returns", list)):
            raise V1RowError(row.id, "tool_returns has an item that is no object")
        if self._findings.left(rows.RunRow, row.run_id):
            row.run_id = None
        if self._findings.left(rows.StepRow, row.step_id) or row.run_id is None:
            row.step_id = None

    def run(self, row: rows.RunRow) -> None:
        """Check a run; one without a conversation belongs to the agent's default one."""
        self._parse_or_lose(row, "metadata", dict)
        self._parse_or_lose(row, "request_config", dict)
        if self._findings.left(rows.ConversationRow, row.conversation_id):
            raise V1RowError(row.id, f"its conversation {row.conversation_id} is left behind")
        row.conversation_id = row.conversation_id or default_conversation_id(row.agent_id)

    def step(self, row: rows.StepRow) -> None:
        """Check a step, and complete its error."""
        if self._findings.left(rows.RunRow, row.run_id):
            raise V1RowError(row.id, f"its run {row.run_id} is left behind")
        error = self._parse_or_lose(row, "error_data", dict)
        row.error = str(error.get("message") or row.error)

    def _parse(self, row: rows.OwnedRow, name: str, kind: type[ParsedT]) -> ParsedT:
        """Parse a JSON column after replacing characters that can't be stored."""
        text = getattr(row, name)
        if text is not None and ("\\u0000" in text or "\\ud" in text or "\\uD" in text):
            replaced = replace_escapes(text)
            if replaced != text:
                setattr(row, name, replaced)
                what = f"{name} has characters that can't be stored; they are replaced"
                self._findings.repaired(row.id, what)
        return parse_json(row, name, kind)

    def _parse_or_lose(self, row: rows.OwnedRow, name: str, kind: type[ParsedT]) -> ParsedT:
        """Parse a JSON column; empty it if it can't be stored."""
        try:
            return self._parse(row, name, kind)
        except V1RowError as error:
            setattr(row, name, dump(kind()))
            self._findings.lose_part(row, error.problem)
            return kind()


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
