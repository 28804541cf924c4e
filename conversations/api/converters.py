"""Path converters: the ids and labels in the URLs of the API.

V1 responds to a malformed id with an error of its own, not with 404. So a malformed id matches,
and reaches the view as that error, which `ApiView` raises once the caller is authenticated.
"""

from django.urls import register_converter
from django.urls.converters import PathConverter

from ..domain.errors import InvalidArgument
from ..ids import is_id
from ..text import replace_unstorable
from .http.errors import InvalidRequest


class AgentId:
    """An agent's id; the base class of the other ids."""

    regex = "[^/]+"
    name = "agent_id"
    prefix = "agent"

    def to_url(self, value: str) -> str:
        return value

    def to_python(self, value: str) -> str | Exception:
        return value if is_id(self.prefix, value) else self.error(value)

    def error(self, value: str) -> Exception:
        """Return the error that describes a malformed id."""
        return InvalidRequest(
            f"{self.name}: expected {self.prefix}-<uuid4> in lower case, got {value!r}"
        )


class BlockId(AgentId):
    """A block's id."""

    name = "block_id"
    prefix = "block"


class ConversationId(AgentId):
    """A conversation's id."""

    name = "conversation_id"
    prefix = "conv"


class MessageId(AgentId):
    """A message's id."""

    name = "message_id"
    prefix = "message"


class RunId(AgentId):
    """A run's id, for which alone V1 responds with 400."""

    name = "run_id"
    prefix = "run"

    def error(self, value: str) -> Exception:
        return InvalidArgument(f"Invalid run ID format: {value!r}. Expected format: 'run-<uuid4>'")


class StepId(AgentId):
    """A step's id."""

    name = "step_id"
    prefix = "step"


class Label(PathConverter):
    """A block's label, which may contain slashes.

    What cannot be stored is replaced: PostgreSQL rejects NUL in a query, and no label contains it.
    """

    def to_python(self, value: str) -> str:
        return replace_unstorable(value)


register_converter(AgentId, "agent_id")
register_converter(BlockId, "block_id")
register_converter(ConversationId, "conversation_id")
register_converter(MessageId, "message_id")
register_converter(RunId, "run_id")
register_converter(StepId, "step_id")
register_converter(Label, "block_label")
