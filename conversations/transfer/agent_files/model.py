"""The format of agent files, declared once for reading and writing.

V1 reads only the keys it knows below the top level, so fields with `exclude=True` are read but
not written there. Ids are those of the file and mean nothing outside it.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    model_validator,
)

from ...domain.conversations import agents
from ...models import Agent, Block, BlockRevision, Message, Tool
from ...models.blocks import LABEL_LENGTH
from .fields import (
    Array,
    Count,
    DjangoModel,
    FileModel,
    Metadata,
    Name,
    Object,
    Positive,
    Time,
    expected,
)

EXTENSION_KEY = "x_conversations_schema"
EXTENSION_VERSION = "1"
ROLES = {role: role for role in Message.Role.values} | {"function": Message.Role.TOOL.value}
SOURCES = {source: source for source in BlockRevision.Source.values}


def _one_of(values: Mapping[str, str]) -> AfterValidator:
    def validate(value: str) -> str:
        if value not in values:
            raise expected(f"one of {', '.join(values)}")
        return values[value]

    return AfterValidator(validate)


def _check_part(part: Object) -> Object:
    if not isinstance(part.get("type"), str):
        raise expected("a content part with a string as its `type`")
    if part["type"] == "text" and not isinstance(part.get("text"), str):
        raise expected("a text part with a string as its `text`")
    return part


def with_types(approvals: list[Any]) -> list[Any]:
    """Return V1's answers to approval requests as content parts: older ones have no type."""
    return [
        {"type": "approval" if "approve" in each else "tool", **each}
        if isinstance(each, dict)
        else each
        for each in approvals
    ]


def _text_parts(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _variables(given: Any) -> Any:
    """Return environment variables by name; older files list objects with `key` and `value`."""
    if isinstance(given, list) and all(isinstance(each, dict) and "key" in each for each in given):
        given = {each["key"]: each.get("value") or "" for each in given}
    if not isinstance(given, dict):
        raise expected("an array or an object")
    return given


Label = Annotated[str, Field(max_length=LABEL_LENGTH)]
ContentPart = Annotated[Object, AfterValidator(_check_part)]


class BlockAttributes(FileModel):
    """A block's fields besides its text: what a revision keeps of them."""

    label: Label
    metadata: Metadata = {}
    read_only: bool = False
    copy_on_write: bool = False
    hidden: bool | None = None
    tags: Array[str] = []
    is_template: bool = False
    template_name: Name | None = None
    project_id: Name | None = None


class RevisionAttributes(BlockAttributes, extra="forbid"):
    """Attributes that undo writes to the block: nothing but those of a block."""


class FileBlock(BlockAttributes):
    """A block. The extension keeps its tags and its copy-on-write flag in `BlockDetails`."""

    id: str = ""
    value: str = ""
    limit: Positive = Block.DEFAULT_LIMIT
    description: str | None = None
    copy_on_write: bool = Field(default=False, exclude=True)
    tags: Array[str] = Field(default=[], exclude=True)


class FileRevision(FileModel):
    """One revision of a block."""

    number: Positive
    value: str
    description: str | None = None
    limit: Positive
    attributes: RevisionAttributes | None = None
    restored_number: Positive | None = None
    base_version: Count | None = None
    source: Annotated[str, _one_of(SOURCES)]
    reason: str = ""
    unconditional: bool = False
    written_at: Time | None = None

    def columns(self, model: DjangoModel) -> dict[str, Any]:
        attributes = self.attributes and self.attributes.model_dump()
        return super().columns(model) | {"attributes": attributes}


class BlockDetails(FileModel):
    """Extension: what V1 has no fields for in a block."""

    block_id: str
    tags: Array[str] = []
    copy_on_write: bool = False
    revisions: Array[FileRevision] = []


class ToolFunction(FileModel):
    """The function that a tool call names, with its arguments as JSON text."""

    name: str
    arguments: str


class ToolCall(FileModel):
    """A call of a tool by the model."""

    id: str
    type: Annotated[Any, AfterValidator(lambda _: "function")] = "function"
    function: ToolFunction


class FileMessage(FileModel):
    """A message. Older files have `text` in place of `content`."""

    type: Any = "message"
    id: str = ""
    agent_id: Any = None
    role: Annotated[str, _one_of(ROLES)]
    content: Annotated[Array[ContentPart] | None, BeforeValidator(_text_parts)] = None
    name: Name | None = None
    otid: Name | None = None
    sender_id: Name | None = None
    group_id: Name | None = None
    model: Name | None = None
    tool_calls: Array[ToolCall] | None = None
    tool_call_id: Name | None = None
    tool_returns: Array[Object] | None = None
    created_at: Time | None = None
    text: str | None = Field(default=None, exclude=True)
    is_err: bool | None = Field(default=None, exclude=True)
    approve: Any = Field(default=None, exclude=True)
    approvals: Array[Object] | None = None

    def columns(self, model: DjangoModel) -> dict[str, Any]:
        content = _text_parts(self.text) if self.content is None else self.content
        content = content or with_types(self.approvals or [])
        columns = super().columns(model) | {
            "content": content or [],
            "tool_calls": [call.model_dump() for call in self.tool_calls or []],
            "tool_returns": self.tool_returns or [],
        }
        return {name: value for name, value in columns.items() if value is not None}


class FileTool(FileModel):
    """A tool: what it is and does."""

    id: str = ""
    name: Name
    description: str | None = None
    json_schema: Object | None = None
    args_json_schema: Object | None = None
    source_type: Annotated[str, Field(max_length=20)] = "python"
    source_code: str | None = None
    tool_type: Annotated[str, Field(max_length=50)] = Tool.CUSTOM
    tags: Array[str] = []
    return_char_limit: Positive = Tool.RETURN_CHAR_LIMIT
    default_requires_approval: bool | None = None
    enable_parallel_execution: bool = False
    pip_requirements: Array[Object] | None = None
    npm_requirements: Array[Object] | None = None


class LLMConfig(FileModel):
    """V1's older way to name a model."""

    model: str | None = None
    model_endpoint_type: str | None = None
    provider_name: str | None = None
    context_window: Positive | None = None
    handle: Name | None = None


class EmbeddingConfig(FileModel):
    """V1's older way to name an embedding model."""

    handle: Name | None = None
    embedding_model: Any = None
    embedding_endpoint_type: Any = None
    embedding_dim: Any = None


class FileFolder(FileModel):
    """A folder, which V1 calls a source. V1 needs its `embedding_config`."""

    id: str = ""
    name: Annotated[str, Field(max_length=200)]
    description: str | None = None
    instructions: str | None = None
    metadata: Metadata = {}
    embedding: Name | None = None
    embedding_config: EmbeddingConfig | None = None


class FileFile(FileModel):
    """A file of a folder, with its text. V1 puts the folder's name before the file's."""

    id: str = ""
    source_id: str
    file_name: str = ""
    original_file_name: str | None = None
    file_type: Annotated[str, Field(max_length=200)] = ""
    file_size: Count | None = None
    processing_status: Any = "completed"
    error_message: str | None = None
    content: str | None = None


class FileOfAgent(FileModel):
    """Whether an agent has a file open, and which lines of it."""

    id: Any = ""
    agent_id: Any = ""
    file_id: str
    source_id: Any = ""
    file_name: Any = ""
    is_open: bool = False
    visible_content: Any = None
    start_line: Count | None = None
    end_line: Count | None = None


class AgentFields(FileModel):
    """An agent's own fields, which both formats have."""

    name: Name
    description: str | None = None
    system: str = ""
    agent_type: Annotated[str, Field(max_length=50)] = ""
    llm_config: LLMConfig = LLMConfig()
    embedding_config: EmbeddingConfig | None = None
    model: Name = ""
    model_settings: Object | None = None
    embedding: Name | None = None
    context_window_limit: Positive | None = None
    timezone: Annotated[str, Field(max_length=64)] = ""
    tool_rules: Array[Object] = []
    tags: Array[str] = []
    metadata: Metadata = {}
    hidden: bool | None = None
    max_files_open: Count | None = None
    per_file_view_window_char_limit: Positive | None = None
    messages: Array[FileMessage] = []
    created_at: Time | None = Field(default=None, exclude=True)
    tool_exec_environment_variables: Annotated[dict[str, str], BeforeValidator(_variables)] = {}

    @model_validator(mode="after")
    def _normalize(self) -> Self:
        """Move what older files say elsewhere to the current fields, and set the defaults."""
        config = self.llm_config
        self.model = self.model or config.handle or ""
        if not self.model and config.model is not None:
            provider = config.provider_name or config.model_endpoint_type or "openai"
            self.model = f"{provider}/{config.model}"[:200]
        if not self.model:
            raise expected("a model's handle as `model` or in `llm_config`")
        self.embedding = self.embedding or (self.embedding_config or EmbeddingConfig()).handle
        default = config.context_window or Agent.DEFAULT_CONTEXT_WINDOW
        self.context_window_limit = self.context_window_limit or default
        self.agent_type = self.agent_type or "letta_v1_agent"
        self.timezone = self.timezone or "UTC"
        return self

    def agent_fields(self) -> dict[str, Any]:
        """Return the values of the domain's fields of an agent."""
        names = AgentFields.model_fields.keys() & agents.AgentFields.__annotations__.keys()
        return {name: getattr(self, name) for name in names}


class FileAgent(AgentFields):
    """An agent of the current format. V1 requires the last fields of every agent."""

    id: str = ""
    block_ids: Array[str] = []
    tool_ids: Array[str] = []
    in_context_message_ids: Array[str] | None = None
    memory_blocks: Array[FileBlock] = []
    tools: Array[Name] = []
    source_ids: Array[str] = []
    initial_message_sequence: Any = None
    include_base_tools: Any = False
    include_multi_agent_tools: Any = False
    include_base_tool_rules: Any = False
    include_default_source: Any = False
    message_buffer_autoclear: Any = False
    enable_sleeptime: Any = False
    files_agents: Array[FileOfAgent] = []
    group_ids: Any = []


class AgentDetails(FileModel):
    """Extension: what V1 has no fields for in an agent."""

    agent_id: str
    isolated_labels: Array[str] = []
    model_settings: Object | None = None
    fallback_model: Name | None = None
    on_busy: Literal["reject", "queue", "interrupt"] | None = None
    created_at: Time | None = None


class ForkedFrom(FileModel):
    """Where a fork began."""

    conversation_id: str | None = None
    message_id: str | None = None


class FileIsolatedBlock(FileModel):
    """A block that is isolated in a conversation, with its base."""

    label: Any = None
    block_id: str
    source_block_id: str | None = None
    base_value: str
    base_version: Count = 0


class FileConversation(FileModel):
    """Extension: a conversation. `messages` are those that the file has nowhere before."""

    id: str
    agent_id: str
    is_default: bool = False
    summary: str | None = None
    description: str | None = None
    model: Name | None = None
    model_settings: Object | None = None
    context_window_limit: Positive | None = None
    hidden: bool = False
    created_at: Time | None = None
    last_message_at: Time | None = None
    archived_at: Time | None = None
    forked_from: ForkedFrom | None = None
    messages: Array[FileMessage] = []
    message_ids: Array[str] = []
    in_context_message_ids: Array[str] = []
    failed_message_ids: Array[str] = []
    isolated_blocks: Array[FileIsolatedBlock] = []


class Unsupported(FileModel):
    """What V1 puts into files and this server does not have."""

    groups: Array[Any] = []
    mcp_servers: Array[Any] = []
    skills: Array[Any] = []


class FlatDocument(AgentFields, Unsupported):
    """A file of the older format: one agent with its blocks, tools and messages inside."""

    core_memory: Array[FileBlock] = []
    tools: Array[FileTool] = []
    in_context_message_indices: Array[Count] | None = None


class Document(Unsupported):
    """A file of the current format."""

    agents: Array[FileAgent]
    blocks: Array[FileBlock] = []
    tools: Array[FileTool] = []
    sources: Array[FileFolder] = []
    files: Array[FileFile] = []
    metadata: Metadata = {}
    created_at: Any = None


class ExtendedDocument(Document):
    """A file of the current format with the extension."""

    agent_details: Array[AgentDetails] = []
    block_details: Array[BlockDetails] = []
    conversations: Array[FileConversation] = []


def reading_order(ids: Iterable[str], context: list[str]) -> list[str]:
    """Return all messages in order, those in context in the order in which the model reads them.

    The messages in context share the places that they have among the others.
    """
    shown = set(context)
    queue = iter(context)
    return [next(queue) if each in shown else each for each in ids]
