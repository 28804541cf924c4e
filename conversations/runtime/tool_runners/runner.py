"""The interface of tool runners."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...domain.actor import Actor
from ...domain.errors import InvalidArgument
from ...domain.tools.execution import ToolResult
from ...models import Agent, Conversation, Tool


@dataclass(frozen=True)
class CallContext:
    """Where a call comes from.

    Calls outside a turn may have no conversation. `variables` are environment variables besides
    those of the conversation's agent.
    """

    by: Actor
    conversation: Conversation | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def agent(self) -> Agent:
        """The agent that calls. Raises InvalidArgument for a call without a conversation."""
        if self.conversation is None:
            raise InvalidArgument("This call has no conversation")
        return self.conversation.agent


class ToolRunner(Protocol):
    """Runs the calls of some tools, outside transactions.

    A worker that dies between a call and the step's transaction leaves no trace of the call, and
    the next worker calls the tool again: calls happen at least once. A runner is used from the
    event loops of several threads.
    """

    async def run(self, tool: Tool, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        """Run one call, and return its result, also of a failure.

        It is cancelled after TOOL_TIMEOUT, and when its run is cancelled; it must end what it has
        started. Exceptions are logged, and the model is told that the tool failed.
        """
        ...
