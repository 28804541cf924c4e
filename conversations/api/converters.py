"""Path converters: the ids and labels in the URLs of the API.

V1 responds to a malformed id with an error of its own, not with 404. So a malformed id matches,
and reaches the view as that error, which `ApiView` raises once the caller is authenticated.
"""

from django.urls import register_converter
from django.urls.converters import PathConverter

from ..domain.errors import InvalidArgument
from ..ids import is_id
from .http.errors import InvalidRequest


class _AgentId:
    regex = "[^/]+"
    name, prefix = "agent_id", "agent"

    def to_url(self, value: str) -> str:
        return value

    def to_python(self, value: str) -> str | Exception:
        return value if is_id(self.prefix, value) else self.error(value)

    def error(self, value: str) -> Exception:
        return InvalidRequest(
            f"{self.name}: expected {self.prefix}-<uuid4> in lower case, got {value!r}"
        )


class _ApiKeyId(_AgentId):
    name, prefix = "api_key_id", "key"


class _ArchiveId(_AgentId):
    name, prefix = "archive_id", "archive"


class _BlockId(_AgentId):
    name, prefix = "block_id", "block"


class _ConversationId(_AgentId):
    name, prefix = "conversation_id", "conv"


class _FileId(_AgentId):
    name, prefix = "file_id", "file"


class _FolderId(_AgentId):
    name, prefix = "folder_id", "source"


class _McpServerId(_AgentId):
    name, prefix = "mcp_server_id", "mcp_server"


class _IdentityId(_AgentId):
    name, prefix = "identity_id", "identity"


class _MemberId(_AgentId):
    name, prefix = "member_id", "user"


class _MessageId(_AgentId):
    name, prefix = "message_id", "message"


class _PassageId(_AgentId):
    name, prefix = "passage_id", "passage"


class _StepId(_AgentId):
    name, prefix = "step_id", "step"


class _ToolId(_AgentId):
    name, prefix = "tool_id", "tool"


class _RunId(_AgentId):
    name, prefix = "run_id", "run"

    # V1 responds with 400 to this one alone.
    def error(self, value: str) -> Exception:
        return InvalidArgument(f"Invalid run ID format: {value!r}. Expected format: 'run-<uuid4>'")


class Label(PathConverter):
    """A block's label, which may contain slashes and line breaks."""

    regex = r"[\s\S]+"


for converter in (
    _AgentId,
    _ApiKeyId,
    _ArchiveId,
    _BlockId,
    _ConversationId,
    _FileId,
    _FolderId,
    _McpServerId,
    _IdentityId,
    _MemberId,
    _MessageId,
    _PassageId,
    _RunId,
    _StepId,
    _ToolId,
):
    register_converter(converter, converter.name)
register_converter(Label, "block_label")
