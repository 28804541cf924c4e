"""The tools by which a model edits the memory that its conversation reads."""

from collections.abc import Callable

from ...models import Block, Conversation
from ..actor import Actor
from ..errors import InvalidArgument
from ..memory.blocks import BlockFields
from ..memory.label_edits import edit_label


def _edit(
    conversation: Conversation, label: str, change: Callable[[str], str], *, by: Actor, tool: str
) -> str:
    """Edit the block that the conversation reads as `label`; return the new text."""

    def edit(block: Block) -> BlockFields:
        if block.read_only:
            raise InvalidArgument(f"The block {label!r} is read-only; nothing was changed")
        return {"value": change(block.value)}

    return edit_label(conversation, label, by=by, edit=edit, reason=tool).block.value


def memory_insert(
    conversation: Conversation, *, by: Actor, label: str, new_string: str, insert_line: int = -1
) -> str:
    """Insert lines after the given line: 0 is the beginning, -1 the end."""

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
    """Replace a text that occurs exactly once."""

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
    """Replace the whole text."""
    return _edit(conversation, label, lambda _: new_memory, by=by, tool="memory_rethink")


def core_memory_append(conversation: Conversation, *, by: Actor, label: str, content: str) -> str:
    """Append a line."""

    def change(text: str) -> str:
        return f"{text}\n{content}" if text else content

    return _edit(conversation, label, change, by=by, tool="core_memory_append")


def core_memory_replace(
    conversation: Conversation, *, by: Actor, label: str, old_content: str, new_content: str
) -> str:
    """Replace every occurrence of a text."""

    def change(text: str) -> str:
        if not old_content or old_content not in text:
            raise InvalidArgument(
                f"old_content does not occur in the block {label!r}; it must be verbatim. "
                f"The block says:\n{text}"
            )
        return text.replace(old_content, new_content)

    return _edit(conversation, label, change, by=by, tool="core_memory_replace")
