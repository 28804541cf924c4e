"""The rows that an import reads from V1 and writes: one class per table, one field per column.

Queries select the fields; the converter checks them and sets the keyword-only ones. Fields that
are no columns of the model are not stored; its other columns get their defaults. Values are as the
database driver takes them, JSON as text.
"""

import json
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any, ClassVar, TypeVar

from django.db.models import Field, JSONField, Model

from ... import models

# The `compiled_from` of imported prompts, whose inputs are unknown: it marks them as stale.
UNKNOWN_PROMPT = '{"system": "", "blocks": []}'


class Row:
    """A row of `django_model`.

    `key` identifies a row. `unverified` columns change here by themselves, or have no V1 value.
    """

    __slots__ = ()
    django_model: ClassVar[type[Model]]
    key: ClassVar[tuple[str, ...]] = ("id",)
    unverified: ClassVar[frozenset[str]] = frozenset()


RowT = TypeVar("RowT", bound=Row)


@dataclass(slots=True)
class OwnedRow(Row):
    """The columns that all rows of an organization share."""

    id: str
    organization_id: str
    created_at: datetime
    updated_at: datetime
    created_by_id: str | None
    last_updated_by_id: str | None


@dataclass(slots=True)
class OrganizationRow(Row):
    """An organization."""

    django_model = models.Organization
    id: str
    name: str
    created_at: datetime


@dataclass(slots=True)
class MemberRow(Row):
    """A member, from a user of V1."""

    django_model = models.Member
    id: str
    organization_id: str
    name: str
    created_at: datetime


@dataclass(slots=True)
class AgentRow(OwnedRow):
    """An agent."""

    django_model = models.Agent
    unverified = frozenset({"updated_at", "last_updated_by_id", "last_run_completed_at"})
    name: str
    description: str | None
    system: str
    agent_type: str
    timezone: str
    tags: str
    metadata: str
    hidden: bool | None
    last_run_completed_at: datetime | None
    deleted_at: datetime | None
    max_files_open: int | None
    per_file_view_window_char_limit: int | None
    llm_config: str
    embedding_config: str
    tool_rules: str
    message_ids: str
    _: KW_ONLY
    model: str = ""
    model_settings: str | None = None
    embedding: str | None = None
    context_window_limit: int = models.Agent.DEFAULT_CONTEXT_WINDOW


@dataclass(slots=True)
class ToolRow(OwnedRow):
    """A tool."""

    django_model = models.Tool
    unverified = frozenset({"updated_at", "last_updated_by_id"})
    name: str
    tool_type: str
    description: str | None
    source_type: str
    source_code: str | None
    json_schema: str | None
    args_json_schema: str | None
    return_char_limit: int
    tags: str
    pip_requirements: str | None
    npm_requirements: str | None
    default_requires_approval: bool | None
    enable_parallel_execution: bool
    metadata: str


@dataclass(slots=True)
class AttachedToolRow(Row):
    """A tool of an agent, which belongs to the agent's organization if `is_own`."""

    django_model = models.AgentTool
    key = ("agent_id", "tool_id")
    unverified = frozenset({"position"})
    agent_id: str
    tool_id: str
    requires_approval: bool | None
    name: str
    is_own: bool
    _: KW_ONLY
    position: int = 0


@dataclass(slots=True)
class VariableRow(Row):
    """An environment variable of an agent's tools. `is_readable`: V1 stores its text too."""

    django_model = models.AgentVariable
    unverified = frozenset({"value"})
    id: str
    agent_id: str
    name: str
    value: str
    description: str | None
    is_readable: bool


@dataclass(slots=True)
class BlockRow(OwnedRow):
    """A block, isolated if it names a conversation.

    V1 knows it as `v1_id`. `is_orphan`: an isolated copy whose conversation is gone.
    """

    django_model = models.Block
    unverified = frozenset({"updated_at", "last_updated_by_id", "version"})
    label: str
    value: str
    limit: int
    description: str | None
    metadata: str
    read_only: bool
    hidden: bool | None
    tags: str
    is_template: bool
    template_name: str | None
    project_id: str | None
    conversation_id: str | None
    deleted_at: datetime | None
    v1_id: str
    is_orphan: bool
    _: KW_ONLY
    version: int = 1


@dataclass(slots=True)
class V1IsolatedBlock(BlockRow):
    """A block isolated in a conversation, with the agent's block for the same label.

    `is_used_elsewhere`: an agent or a second conversation reads the block too. `is_base`: the
    agent's block has not changed since the block was isolated.
    """

    conversation_id: str
    v1_label: str
    isolated_at: datetime
    is_used_elsewhere: bool
    shared_block_id: str | None
    shared_value: str | None
    is_base: bool | None


@dataclass(slots=True)
class RevisionRow(Row):
    """A text that a block has or had."""

    django_model = models.BlockRevision
    key = ("block_id", "number")
    block_id: str
    number: int
    value: str
    description: str | None
    limit: int
    written_at: datetime
    conversation_id: str | None
    source: str = models.BlockRevision.Source.IMPORT.value
    unconditional: bool = True


@dataclass(slots=True)
class AttachedBlockRow(Row):
    """A block attached to an agent. `is_own`: both have the same organization."""

    django_model = models.AgentBlock
    key = ("agent_id", "block_id")
    agent_id: str
    block_id: str
    label: str
    position: int
    attached_at: datetime
    organization_id: str
    is_own: bool


@dataclass(slots=True)
class PeriodRow(Row):
    """Since when an agent's or a conversation's prompt has a block."""

    django_model = models.ReadingPeriod
    key = ("block_id", "agent_id", "conversation_id")
    agent_id: str | None
    conversation_id: str | None
    block_id: str
    label: str
    position: int
    since: datetime


@dataclass(slots=True)
class ArchiveRow(OwnedRow):
    """An archive; the converter takes its embedding model from `embedding_config`."""

    django_model = models.Archive
    unverified = frozenset({"updated_at", "last_updated_by_id", "deleted_at"})
    name: str
    description: str | None
    metadata: str | None
    deleted_at: datetime | None
    embedding_config: str
    _: KW_ONLY
    embedding: str | None = None


@dataclass(slots=True)
class AttachedArchiveRow(Row):
    """An archive attached to an agent. `is_own`: both have the same organization."""

    django_model = models.AgentArchive
    key = ("agent_id",)
    agent_id: str
    archive_id: str
    created_at: datetime
    is_owner: bool
    is_own: bool


@dataclass(slots=True)
class PassageRow(OwnedRow):
    """A passage, with its vector if V1 has one."""

    django_model = models.Passage
    unverified = frozenset({"updated_at", "last_updated_by_id", "deleted_at"})
    archive_id: str
    text: str
    tags: str
    metadata: str
    embedding: list[float] | None
    deleted_at: datetime | None
    _: KW_ONLY
    dimensions: int | None = None


@dataclass(slots=True)
class IdentityRow(OwnedRow):
    """An identity."""

    django_model = models.Identity
    unverified = frozenset({"updated_at", "last_updated_by_id", "deleted_at"})
    identifier_key: str
    name: str
    identity_type: str
    properties: str
    project_id: str | None
    deleted_at: datetime | None


@dataclass(slots=True)
class AgentIdentityRow(Row):
    """An identity of an agent. `is_own`: both have the same organization."""

    django_model = models.AgentIdentity
    key = ("agent_id", "identity_id")
    agent_id: str
    identity_id: str
    is_own: bool


@dataclass(slots=True)
class BlockIdentityRow(Row):
    """An identity of a block that is not isolated. `is_own`: both have the same organization."""

    django_model = models.BlockIdentity
    key = ("block_id", "identity_id")
    block_id: str
    identity_id: str
    is_own: bool


@dataclass(slots=True)
class FolderRow(OwnedRow):
    """A folder; the converter names its archive, which V1 does not have, and that one's model."""

    django_model = models.Folder
    unverified = frozenset({"updated_at", "last_updated_by_id"})
    name: str
    description: str | None
    instructions: str | None
    metadata: str | None
    embedding_config: str
    _: KW_ONLY
    archive_id: str = ""
    embedding: str | None = None

    @property
    def archive(self) -> ArchiveRow:
        """The archive of the folder's chunks."""
        return ArchiveRow(
            self.archive_id,
            self.organization_id,
            self.created_at,
            self.updated_at,
            self.created_by_id,
            self.last_updated_by_id,
            name=self.name,
            description=None,
            metadata=None,
            deleted_at=None,
            embedding_config=self.embedding_config,
            embedding=self.embedding,
        )


@dataclass(slots=True)
class FileRow(OwnedRow):
    """A file with its text."""

    django_model = models.File
    unverified = frozenset({"updated_at", "last_updated_by_id"})
    folder_id: str
    name: str
    original_name: str
    media_type: str
    size: int
    content: str | None
    status: str
    error: str
    chunks: int


@dataclass(slots=True)
class ChunkRow(PassageRow):
    """A chunk of a file. Until it is converted, `archive_id` is the folder's id."""

    file_id: str


@dataclass(slots=True)
class AttachedFolderRow(Row):
    """A folder attached to an agent. `is_own`: both have the same organization."""

    django_model = models.AgentFolder
    key = ("agent_id", "folder_id")
    agent_id: str
    folder_id: str
    is_own: bool


@dataclass(slots=True)
class AgentFileRow(Row):
    """A file of an attached folder."""

    django_model = models.AgentFile
    key = ("agent_id", "file_id")
    # An agent opens and closes files.
    unverified = frozenset({"id", "is_open", "start_line", "end_line", "accessed_at", "created_at"})
    id: str | None
    agent_id: str
    folder_id: str
    file_id: str
    is_open: bool
    start_line: int | None
    end_line: int | None
    accessed_at: datetime
    created_at: datetime
    _: KW_ONLY
    folder_link_id: int | None = None


@dataclass(slots=True)
class ConversationRow(OwnedRow):
    """A conversation."""

    django_model = models.Conversation
    unverified = frozenset({"updated_at", "last_updated_by_id", "compiled_from"})
    agent_id: str
    summary: str | None = None
    model: str | None = None
    model_settings: str | None = None
    last_message_at: datetime | None = None
    deleted_at: datetime | None = None
    _: KW_ONLY
    is_default: bool = False
    hidden: bool = False
    compiled_from: str = UNKNOWN_PROMPT


@dataclass(slots=True)
class IsolatedBlockRow(Row):
    """The isolation of a label in a conversation."""

    django_model = models.IsolatedBlock
    key = ("block_id",)
    unverified = frozenset({"source_block_id", "base_value", "base_version", "created_at"})
    conversation_id: str
    block_id: str
    label: str
    source_block_id: str | None
    base_value: str
    base_version: int
    created_at: datetime


@dataclass(slots=True)
class RunRow(OwnedRow):
    """A run; `v1_status` is not stored."""

    django_model = models.Run
    unverified = frozenset({"updated_at"})
    agent_id: str
    conversation_id: str | None
    status: str
    v1_status: str
    stop_reason: str | None
    background: bool
    metadata: str
    request_config: str
    usage: str
    error: str
    started_at: datetime | None
    completed_at: datetime | None
    ttft_ns: int | None
    total_duration_ns: int | None


@dataclass(slots=True)
class StepRow(OwnedRow):
    """A step of a run; the converter turns `error_data` into the error."""

    django_model = models.Step
    unverified = frozenset({"updated_at"})
    run_id: str
    number: int
    model: str
    stop_reason: str | None
    usage: str
    feedback: str | None
    error: str
    error_data: str


@dataclass(slots=True)
class MessageRow(OwnedRow):
    """A message."""

    django_model = models.Message
    unverified = frozenset({"updated_at"})
    agent_id: str
    role: str
    content: str = "[]"
    tool_calls: str = "[]"
    tool_call_id: str | None = None
    tool_returns: str = "[]"
    name: str | None = None
    otid: str | None = None
    sender_id: str | None = None
    group_id: str | None = None
    model: str | None = None
    run_id: str | None = None
    step_id: str | None = None
    is_err: bool | None = None


@dataclass(slots=True)
class MessagePositionRow(Row):
    """The position of a message in a conversation."""

    django_model = models.ConversationMessage
    key = ("conversation_id", "message_id")
    conversation_id: str
    message_id: str
    position: int
    in_context: bool


def table_name(row_class: type[Row]) -> str:
    """Return the name of a table in counts and reports: its model's, in the plural."""
    return str(row_class.django_model._meta.verbose_name_plural)


def model_fields(row_class: type[Row]) -> "dict[str, Field[Any, Any]]":
    """Return the model field of each column that is stored."""
    by_column = {field.attname: field for field in row_class.django_model._meta.concrete_fields}
    names = [field.name for field in fields(row_class)]  # type: ignore[arg-type]  # a dataclass
    return {name: by_column[name] for name in names if name in by_column}


def values_of(names: tuple[str, ...]) -> Callable[[Row], tuple[Any, ...]]:
    """Return a function that returns these columns of a row."""
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda row: (get(row),)


def stored_values_of(
    row_class: type[Row], names: tuple[str, ...]
) -> Callable[[Row], dict[str, Any]]:
    """Return a function that returns these columns as Django reads them, with JSON parsed."""
    get, by_column = values_of(names), model_fields(row_class)
    json_names = [name for name in names if isinstance(by_column[name], JSONField)]

    def stored_values(row: Row) -> dict[str, Any]:
        values = dict(zip(names, get(row), strict=True))
        for name in json_names:
            if values[name] is not None:
                # Not orjson, which rounds integers of more than 64 bits.
                values[name] = json.loads(values[name])
        return values

    return stored_values
