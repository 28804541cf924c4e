"""Running the tools that a model calls: dispatch, argument checks and locks."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import transaction

from ...models import Conversation
from ...text import text_problem
from ..actor import Actor
from ..errors import DomainError, InvalidArgument
from ..memory.blocks import lock_blocks
from ..memory.effective import effective_blocks
from .definitions import FUNCTIONS
from .memory import (
    core_memory_append,
    core_memory_replace,
    memory_insert,
    memory_replace,
    memory_rethink,
)
from .search import conversation_search

TYPES: dict[str, type] = {"string": str, "integer": int}


class ToolResult(NamedTuple):
    """The result of a call, for the model. `is_error` means that the tool did nothing."""

    text: str
    is_error: bool = False


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
        label = _arguments(call).get("label")
    except InvalidArgument:
        return None
    return label if isinstance(label, str) else None


def call_tool(
    conversation: Conversation, call: dict[str, Any], *, allowed: list[str], by: Actor
) -> ToolResult:
    """Run one call in the caller's transaction. A refusal becomes the result of the call."""
    name = call["function"]["name"]
    try:
        if name not in allowed or name not in TOOLS:
            valid = [tool for tool in allowed if tool in TOOLS]
            raise InvalidArgument(f"Cannot call {name}; the tools are {', '.join(valid) or 'none'}")
        arguments = _checked(name, _arguments(call))
        with transaction.atomic():
            return ToolResult(TOOLS[name](conversation, by=by, **arguments))
    except DomainError as error:
        return ToolResult(f"Error: {error}", is_error=True)


def _arguments(call: dict[str, Any]) -> dict[str, Any]:
    text = call["function"]["arguments"] or "{}"
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"The arguments are not valid JSON ({error}): {text[:200]}") from None
    if not isinstance(arguments, dict):
        raise InvalidArgument(f"The arguments must be a JSON object, got {text[:200]}")
    return arguments


def _checked(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    schema = FUNCTIONS[name]["parameters"]
    properties = schema["properties"]
    # Models that were prompted for V1 also pass these.
    arguments = {
        key: value
        for key, value in arguments.items()
        if key not in ("request_heartbeat", "thinking")
    }
    if unknown := [key for key in arguments if key not in properties]:
        raise InvalidArgument(
            f"{name} takes no {', '.join(unknown)}; it takes {', '.join(properties)}"
        )
    if missing := [key for key in schema["required"] if key not in arguments]:
        raise InvalidArgument(f"{name} needs {', '.join(missing)}")
    for key, value in arguments.items():
        expected = properties[key]["type"]
        if isinstance(value, bool) or not isinstance(value, TYPES[expected]):
            raise InvalidArgument(
                f"{key}: expected a JSON {expected}, got {json.dumps(value)[:100]}"
            )
        if isinstance(value, str) and (problem := text_problem(value)):
            raise InvalidArgument(f"{key}: has {problem}, which can't be stored")
    return arguments


def send_message(conversation: Conversation, *, by: Actor, message: str) -> str:
    """Confirm the message. The client shows the call itself to the user."""
    return "Sent message successfully."


# Every name in `definitions.FUNCTIONS` has its function here (a test compares them). No tool takes
# an id: it works on the conversation that calls it.
TOOLS: dict[str, Callable[..., str]] = {
    "conversation_search": conversation_search,
    "core_memory_append": core_memory_append,
    "core_memory_replace": core_memory_replace,
    "memory_insert": memory_insert,
    "memory_replace": memory_replace,
    "memory_rethink": memory_rethink,
    "send_message": send_message,
}
