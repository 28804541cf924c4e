"""The built-in tools as a model sees them; `execution.TOOLS` has their functions."""

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

BASE_TOOLS = ["conversation_search", "memory_insert", "memory_replace"]


def _function(
    name: str, description: str, required: list[str], **properties: dict[str, Any]
) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "parameters": {"type": "object", "properties": properties, "required": required},
    }


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


_LABEL = _text("The label of the memory block to edit.")

# Name -> the function as chat completions describe it.
FUNCTIONS: dict[str, dict[str, Any]] = {
    function["name"]: function
    for function in [
        _function(
            "conversation_search",
            "Search the earlier messages of this conversation.",
            ["query"],
            query=_text("The words to search for."),
            limit={"type": "integer", "description": "The most messages to return."},
        ),
        _function(
            "memory_insert",
            "Insert text into a memory block, at its end or after a given line.",
            ["label", "new_string"],
            label=_LABEL,
            new_string=_text("The text to insert."),
            insert_line={
                "type": "integer",
                "description": "The line to insert after: 0 is the beginning, -1 the end.",
            },
        ),
        _function(
            "memory_replace",
            "Replace text in a memory block. The old text must occur exactly once.",
            ["label", "old_string", "new_string"],
            label=_LABEL,
            old_string=_text("The exact text to replace."),
            new_string=_text("The replacement; empty to delete."),
        ),
        _function(
            "memory_rethink",
            "Replace the whole text of a memory block.",
            ["label", "new_memory"],
            label=_LABEL,
            new_memory=_text("The whole new text of the block."),
        ),
        _function(
            "core_memory_append",
            "Append text to a memory block.",
            ["label", "content"],
            label=_LABEL,
            content=_text("The text to append."),
        ),
        _function(
            "core_memory_replace",
            "Replace text in a memory block.",
            ["label", "old_content", "new_content"],
            label=_LABEL,
            old_content=_text("The exact text to replace."),
            new_content=_text("The replacement; empty to delete."),
        ),
        _function(
            "send_message",
            "Send a message to the user.",
            ["message"],
            message=_text("What the user will read."),
        ),
    ]
}


def tool_id(name: str) -> str:
    """Return the id of a built-in tool, derived from its name: the same on every server."""
    digest = hashlib.sha256(name.encode()).digest()
    return f"tool-{uuid.UUID(bytes=digest[:16], version=4)}"


def client_tool_definition(tool: dict[str, Any]) -> dict[str, Any]:
    """Describe a tool that the client runs: {"name", "description", "parameters"}."""
    parameters = tool.get("parameters") or {"type": "object", "properties": {}}
    function = {"name": tool["name"], "parameters": parameters}
    if tool.get("description"):
        function["description"] = tool["description"]
    return {"type": "function", "function": function}


def tool_definitions(names: Iterable[str], labels: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Describe the built-in tools among `names`; other names are left out.

    `labels` are those of the effective blocks: the only ones that the model may name.
    """
    known = [FUNCTIONS[name] for name in names if name in FUNCTIONS]
    return [{"type": "function", "function": _with_labels(each, labels)} for each in known]


def _with_labels(function: dict[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    parameters = function["parameters"]
    if not labels or "label" not in parameters["properties"]:
        return function
    properties = {**parameters["properties"], "label": {**_LABEL, "enum": list(labels)}}
    return {**function, "parameters": {**parameters, "properties": properties}}
