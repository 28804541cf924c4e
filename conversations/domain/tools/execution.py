"""Running the built-in tools that a model calls: dispatch, argument checks and locks.

Tools that leave the database are run by `runtime.tool_runners`, outside transactions; their
results come here only to be limited.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from django.db import transaction

from ...models import Conversation, Tool
from ...text import replace_unstorable, text_problem
from ...tracing import OPERATION, span
from ..actor import Actor
from ..errors import DomainError, InvalidArgument, quoted
from ..memory.blocks import lock_blocks
from ..memory.effective import effective_blocks
from .archival import archival_memory_insert, archival_memory_search
from .definitions import FUNCTIONS
from .files import grep_files, open_agent_files, semantic_search_files
from .memory import (
    core_memory_append,
    core_memory_replace,
    memory_insert,
    memory_replace,
    memory_rethink,
)
from .search import conversation_search

TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}


class ToolResult(NamedTuple):
    """The result of a call, for the model, and what the tool printed.

    `is_error` of a built-in tool means that it did nothing. `stdout` and `stderr` are None for
    tools that print nothing.
    """

    text: str
    is_error: bool = False
    stdout: list[str] | None = None
    stderr: list[str] | None = None


def lock_named_blocks(conversation: Conversation, calls: list[dict[str, Any]]) -> None:
    """Lock all blocks that these calls edit, in the order of locks.

    The calls of a step share a transaction. Locking block by block as the model names them could
    deadlock with another conversation.
    """
    labels = {_label(call) for call in calls} - {None}
    if len(labels) > 1:
        effective = effective_blocks(conversation)
        lock_blocks(each.block for each in effective if each.label in labels)


def _label(call: dict[str, Any]) -> str | None:
    try:
        label = call_arguments(call).get("label")
    except InvalidArgument:
        return None
    return label if isinstance(label, str) else None


def refusal(name: str, allowed: Iterable[str]) -> ToolResult:
    """Return the result of a call of a tool that may not be called, in V1's words."""
    text = f"[ToolConstraintError] Cannot call {name}, valid tools include: {list(allowed)}."
    return ToolResult(text, is_error=True)


def call_tool(
    conversation: Conversation, call: dict[str, Any], *, tools: Mapping[str, Tool], by: Actor
) -> ToolResult:
    """Run one call in the caller's transaction. A refusal becomes the result of the call.

    `tools` are the agent's tools by name.
    """
    name = call["function"]["name"]
    tool = tools.get(name)
    if tool is None:
        return refusal(name, tools)
    try:
        if not tool.is_built_in or name not in TOOLS:
            raise InvalidArgument(f"This server does not run the tool {name}")
        arguments = checked_arguments(name, call_arguments(call))
        with tool_span(tool, call), transaction.atomic():
            return limited(ToolResult(TOOLS[name](conversation, by=by, **arguments)), tool)
    except DomainError as error:
        return ToolResult(f"Error: {error}", is_error=True)


def tool_span(tool: Tool, call: dict[str, Any]) -> AbstractContextManager[object]:
    """Return a span of one call."""
    attributes = {
        OPERATION: "execute_tool",
        "gen_ai.tool.name": tool.name,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": call["id"],
    }
    return span(f"execute_tool {tool.name}", attributes)


def limited(result: ToolResult, tool: Tool) -> ToolResult:
    """Return a result that can be stored, cut to the tool's limit in V1's words."""
    text, limit = replace_unstorable(result.text), tool.return_char_limit
    if len(text) > limit:
        text = (
            f"{text[:limit]}... [NOTE: function output was truncated since it exceeded the "
            f"character limit ({len(text)} > {limit})]"
        )
    return result._replace(
        text=text, stdout=_storable(result.stdout), stderr=_storable(result.stderr)
    )


def _storable(lines: list[str] | None) -> list[str] | None:
    return None if lines is None else [replace_unstorable(line) for line in lines]


def call_arguments(call: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call. Raises InvalidArgument unless they are a JSON object."""
    text = call["function"]["arguments"] or "{}"
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"The arguments are not valid JSON ({error}): {text[:200]}") from None
    if not isinstance(arguments, dict):
        raise InvalidArgument(f"The arguments must be a JSON object, got {text[:200]}")
    return arguments


def checked_arguments(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a built-in tool. Raises InvalidArgument for what it doesn't take."""
    schema = FUNCTIONS[name]["parameters"]
    # Models that were prompted for V1 also pass these.
    arguments = {
        key: value
        for key, value in arguments.items()
        if key not in ("request_heartbeat", "thinking")
    }
    return _checked_object(name, arguments, schema)


def _checked_object(name: str, arguments: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema["properties"]
    if unknown := [key for key in arguments if key not in properties]:
        raise InvalidArgument(
            f"{name} takes no {', '.join(unknown)}; it takes {', '.join(properties)}"
        )
    if missing := [key for key in schema["required"] if key not in arguments]:
        raise InvalidArgument(f"{name} needs {', '.join(missing)}")
    # Some models send null for what they leave out.
    arguments = {
        key: value
        for key, value in arguments.items()
        if value is not None or key in schema["required"]
    }
    for key, value in arguments.items():
        _check_value(key, value, properties[key])
    return arguments


def _check_value(name: str, value: Any, schema: dict[str, Any]) -> None:
    """Raise InvalidArgument unless a value has the type of its schema and can be stored."""
    expected = schema["type"]
    is_of_type = isinstance(value, TYPES[expected])
    if not is_of_type or (isinstance(value, bool) and expected != "boolean"):
        raise InvalidArgument(f"{name}: expected a JSON {expected}, got {json.dumps(value)[:100]}")
    if "enum" in schema and value not in schema["enum"]:
        raise InvalidArgument(f"{name}: expected one of {quoted(schema['enum'])}, got {value!r}")
    if isinstance(value, str) and (problem := text_problem(value)):
        raise InvalidArgument(f"{name}: has {problem}, which can't be stored")
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check_value(f"{name}.{index}", item, schema["items"])
    if isinstance(value, dict):
        _checked_object(name, value, schema)


def send_message(conversation: Conversation, *, by: Actor, message: str) -> str:
    """Confirm the message. The client shows the call itself to the user."""
    return "Sent message successfully."


# Every name in `definitions.FUNCTIONS` has its function here (a test compares them). No tool takes
# an id: it works on the conversation that calls it.
TOOLS: dict[str, Callable[..., str]] = {
    "archival_memory_insert": archival_memory_insert,
    "archival_memory_search": archival_memory_search,
    "conversation_search": conversation_search,
    "grep_files": grep_files,
    "open_files": open_agent_files,
    "semantic_search_files": semantic_search_files,
    "core_memory_append": core_memory_append,
    "core_memory_replace": core_memory_replace,
    "memory_insert": memory_insert,
    "memory_replace": memory_replace,
    "memory_rethink": memory_rethink,
    "send_message": send_message,
}
