"""Running the tools that a model calls: operations on this conversation's memory and messages."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import transaction

from ...llm.tokens import shorten
from ...models import Block, Conversation
from ...text import text_problem
from ..actor import Actor
from ..conversations.search import search_conversation
from ..errors import DomainError, InvalidArgument
from ..memory.blocks import BlockFields, lock_blocks
from ..memory.effective import effective_blocks
from ..memory.label_edits import edit_label
from .definitions import FUNCTIONS

# Of each message that a search finds: the model is to read it beside everything else.
FOUND_TOKENS = 500

TYPES = {"string": str, "integer": int}


class ToolResult(NamedTuple):
    """What the model is told. `is_error`: the tool did nothing."""

    text: str
    is_error: bool = False


def lock_named_blocks(conversation: Conversation, calls: list[dict]) -> None:
    """Hold the blocks that these calls edit, all of them in the order of locks.

    The calls of one step are one transaction. Locking block after block as the model names them
    would let two conversations wait for each other.
    """
    labels = {_label(call) for call in calls} - {None}
    if len(labels) > 1:
        read = effective_blocks(conversation)
        lock_blocks(effective.block for effective in read if effective.label in labels)


def _label(call: dict) -> str | None:
    try:
        label = _arguments(call).get("label")
    except InvalidArgument:
        return None
    return label if isinstance(label, str) else None


def call_tool(
    conversation: Conversation, call: dict, *, allowed: list[str], by: Actor
) -> ToolResult:
    """Run one call in the caller's transaction. What the tool refuses is told to the model."""
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


def _arguments(call: dict) -> dict[str, Any]:
    text = call["function"]["arguments"] or "{}"
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"The arguments are not valid JSON ({error}): {text[:200]}") from None
    if not isinstance(arguments, dict):
        raise InvalidArgument(f"The arguments must be a JSON object, got {text[:200]}")
    return arguments


def _checked(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments a tool takes; models of V1 also pass bookkeeping, which is left out."""
    schema = FUNCTIONS[name]["parameters"]
    properties = schema["properties"]
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
        wanted = properties[key]["type"]
        if isinstance(value, bool) or not isinstance(value, TYPES[wanted]):
            raise InvalidArgument(f"{key}: expected a JSON {wanted}, got {json.dumps(value)[:100]}")
        if isinstance(value, str) and (problem := text_problem(value)):
            raise InvalidArgument(f"{key}: has {problem}, which can't be stored")
    return arguments


def _edit(
    conversation: Conversation, label: str, change: Callable[[str], str], *, by: Actor, tool: str
) -> str:
    """Change the text that this conversation reads as `label`; answers the new text."""

    def edit(block: Block) -> BlockFields:
        if block.read_only:
            raise InvalidArgument(f"The block {label!r} is read-only; nothing was changed")
        return {"value": change(block.value)}

    return edit_label(conversation, label, by=by, edit=edit, reason=tool).block.value


def memory_insert(
    conversation: Conversation, *, by: Actor, label: str, new_string: str, insert_line: int = -1
) -> str:
    def change(text: str) -> str:
        lines = text.split("\n") if text else []
        if not -1 <= insert_line <= len(lines):
            raise InvalidArgument(
                f"insert_line: expected 0 (the beginning) to {len(lines)} (after the last line) "
                f"or -1 (the end), got {insert_line}"
            )
        at = len(lines) if insert_line == -1 else insert_line
        return "\n".join([*lines[:at], *new_string.split("\n"), *lines[at:]])

    return _edit(conversation, label, change, by=by, tool="memory_insert")


def memory_replace(
    conversation: Conversation, *, by: Actor, label: str, old_string: str, new_string: str
) -> str:
    def change(text: str) -> str:
        if not old_string:
            raise InvalidArgument("old_string: expected the text to replace, got an empty string")
        count = text.count(old_string)
        if count != 1:
            found = "does not occur" if not count else f"occurs {count} times"
            raise InvalidArgument(
                f"old_string {found} in the block {label!r}; it must occur exactly once, "
                f"verbatim. The block says:\n{text}"
            )
        return text.replace(old_string, new_string)

    return _edit(conversation, label, change, by=by, tool="memory_replace")


def memory_rethink(conversation: Conversation, *, by: Actor, label: str, new_memory: str) -> str:
    return _edit(conversation, label, lambda _: new_memory, by=by, tool="memory_rethink")


def core_memory_append(conversation: Conversation, *, by: Actor, label: str, content: str) -> str:
    def change(text: str) -> str:
        return f"{text}\n{content}" if text else content

    return _edit(conversation, label, change, by=by, tool="core_memory_append")


def core_memory_replace(
    conversation: Conversation, *, by: Actor, label: str, old_content: str, new_content: str
) -> str:
    def change(text: str) -> str:
        if not old_content or old_content not in text:
            raise InvalidArgument(
                f"old_content does not occur in the block {label!r}; it must be verbatim. "
                f"The block says:\n{text}"
            )
        return text.replace(old_content, new_content)

    return _edit(conversation, label, change, by=by, tool="core_memory_replace")


def conversation_search(
    conversation: Conversation, *, by: Actor, query: str, limit: int = 5
) -> str:
    if not 1 <= limit <= 50:
        raise InvalidArgument(f"limit: expected 1 to 50, got {limit}")
    found = [
        f"[{message.created_at:%Y-%m-%d %H:%M} UTC] {message.role}: "
        f"{shorten(message.text, FOUND_TOKENS, ' […] ')}"
        for message in search_conversation(conversation, query)[:limit]
    ]
    return "\n".join(found) or f"No message of this conversation contains {query!r}"


def send_message(conversation: Conversation, *, by: Actor, message: str) -> str:
    """The message reaches the user as the call that the client is shown; nothing is left to do."""
    return "Sent message successfully."


# The names that V1's agents know. None takes an id: it works on the conversation it is called in.
TOOLS: dict[str, Callable[..., str]] = {
    function.__name__: function
    for function in (
        memory_insert,
        memory_replace,
        memory_rethink,
        core_memory_append,
        core_memory_replace,
        conversation_search,
        send_message,
    )
}
