"""Running a tool by hand, outside a turn."""

import json
from collections.abc import Mapping
from typing import Any

from ...domain.actor import Actor
from ...domain.tools.execution import ToolResult, call_tool
from ...ids import new_id
from ...models import Conversation, Tool
from ..database import in_database
from .calls import ExternalCall, run_call
from .runner import CallContext
from .runners import ToolRunners


async def run_by_hand(
    tool: Tool,
    arguments: dict[str, Any],
    *,
    by: Actor,
    conversation: Conversation | None = None,
    variables: Mapping[str, str] | None = None,
) -> ToolResult:
    """Run a tool once and return its result.

    Args:
        tool: The tool, stored or not.
        arguments: Its arguments.
        by: The actor of what it writes.
        conversation: Where it runs; built-in tools need one.
        variables: Environment variables besides those of the conversation's agent.
    """
    function = {"name": tool.name, "arguments": json.dumps(arguments)}
    call = {"id": new_id("call"), "type": "function", "function": function}
    if runner := ToolRunners().of(tool):
        context = CallContext(by, conversation, variables or {})
        return await run_call(ExternalCall(call, tool, runner), context)
    if conversation is None:
        return ToolResult(f"Error: this server does not run the tool {tool.name}", is_error=True)
    return await in_database(call_tool, conversation, call, tools={tool.name: tool}, by=by)
