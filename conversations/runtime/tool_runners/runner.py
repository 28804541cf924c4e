"""The interface of tool runners."""

from dataclasses import dataclass
from typing import Any, Protocol

from ...domain.actor import Actor
from ...domain.tools.execution import ToolResult
from ...models import Agent, Conversation, Tool


@dataclass(frozen=True)
class CallContext:
    """Where a call comes from. Calls outside a turn have no conversation."""

    agent: Agent
    by: Actor
    conversation: Conversation | None = None


class ToolRunner(Protocol):
    """Runs the calls of some tools, outside transactions.

    A worker that dies between a call and the step's transaction leaves no trace of the call, and
    the next worker calls the tool again: calls happen at least once.
    """

    async def run(self, tool: Tool, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        """Run one call, and return its result, also of a failure.

        It is cancelled after TOOL_TIMEOUT, and when its run is cancelled; it must end what it has
        started. Exceptions are logged, and the model is told that the tool failed.
        """
        ...
