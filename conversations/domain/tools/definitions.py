"""What a model is told about tools; `execution.TOOLS` has the functions of the built-in ones."""

from collections.abc import Iterable, Sequence
from typing import Any

from ...models import Tool

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


def _texts(description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "description": description}


_LABEL = _text("The label of the memory block to edit.")

# Name -> the function as chat completions describe it.
FUNCTIONS: dict[str, dict[str, Any]] = {
    function["name"]: function
    for function in [
        _function(
            "archival_memory_insert",
            "Store a fact in your archival memory, which you do not read unless you search it.",
            ["content"],
            content=_text("One self-contained fact or summary."),
            tags=_texts("Words to find it by later."),
        ),
        _function(
            "archival_memory_search",
            "Search your archival memory by words and by meaning.",
            ["query"],
            query=_text("What you look for, as words or a question."),
            tags=_texts("Only memories with these tags."),
            tag_match_mode={
                "type": "string",
                "enum": ["any", "all"],
                "description": "Whether a memory needs any or all of the tags.",
            },
            top_k={"type": "integer", "description": "The most memories to return."},
            start_datetime=_text("Only memories since this day or time in ISO 8601."),
            end_datetime=_text("Only memories until this day or time in ISO 8601."),
        ),
        _function(
            "conversation_search",
            "Search the earlier messages of this conversation.",
            ["query"],
            query=_text("The words to search for."),
            limit={"type": "integer", "description": "The most messages to return."},
        ),
        _function(
            "grep_files",
            "Find the lines of your files that match a pattern, in any case.",
            ["pattern"],
            pattern=_text("A regular expression."),
            include=_text("Only files whose names match, like *.md or folder/*."),
            context_lines={"type": "integer", "description": "Lines shown around each match."},
            offset={"type": "integer", "description": "How many matches to skip."},
        ),
        _function(
            "open_files",
            "Open files of your folders: you read them from now on, until they are closed.",
            ["file_requests"],
            file_requests={
                "type": "array",
                "description": "The files to open.",
                "items": {
                    "type": "object",
                    "properties": {
                        "file_name": _text("Its name as listed: folder/file."),
                        "offset": {"type": "integer", "description": "Lines to skip."},
                        "length": {"type": "integer", "description": "Lines to read."},
                    },
                    "required": ["file_name"],
                },
            },
            close_all_others={"type": "boolean", "description": "Close all other files."},
        ),
        _function(
            "semantic_search_files",
            "Search your files by words and by meaning.",
            ["query"],
            query=_text("What you look for, as words or a question."),
            limit={"type": "integer", "description": "The most passages to return."},
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


# V1's types of the built-in tools, by name.
BUILT_IN_TYPES = {
    "archival_memory_insert": "letta_core",
    "archival_memory_search": "letta_core",
    "conversation_search": "letta_core",
    "core_memory_append": "letta_memory_core",
    "core_memory_replace": "letta_memory_core",
    "grep_files": "letta_files_core",
    "memory_insert": "letta_sleeptime_core",
    "memory_replace": "letta_sleeptime_core",
    "memory_rethink": "letta_sleeptime_core",
    "open_files": "letta_files_core",
    "semantic_search_files": "letta_files_core",
    "send_message": "letta_core",
}
# V1's other built-in tools. Programs may attach them; no model is told about them.
UNAVAILABLE_TYPES = {
    "fetch_webpage": "letta_builtin",
    "memory": "letta_memory_core",
    "memory_apply_patch": "letta_memory_core",
    "memory_finish_edits": "letta_sleeptime_core",
    "run_code": "letta_builtin",
    "send_message_to_agent_and_wait_for_reply": "letta_multi_agent_core",
    "send_message_to_agent_async": "letta_multi_agent_core",
    "send_message_to_agents_matching_tags": "letta_multi_agent_core",
    "web_search": "letta_builtin",
}


def function_of(tool: Tool) -> dict[str, Any] | None:
    """Return the function of a tool as chat completions describe it, None if it has none."""
    if tool.is_built_in:
        return FUNCTIONS.get(tool.name)
    if tool.json_schema is None:
        return None
    parameters = tool.json_schema.get("parameters") or {"type": "object", "properties": {}}
    description = tool.json_schema.get("description") or tool.description or ""
    return {"name": tool.name, "description": description, "parameters": parameters}


def client_tool_definition(tool: dict[str, Any]) -> dict[str, Any]:
    """Describe a tool that the client runs: {"name", "description", "parameters"}."""
    parameters = tool.get("parameters") or {"type": "object", "properties": {}}
    function = {"name": tool["name"], "parameters": parameters}
    if tool.get("description"):
        function["description"] = tool["description"]
    return {"type": "function", "function": function}


def tool_definitions(tools: Iterable[Tool], labels: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Describe the tools that have a function.

    `labels` are those of the effective blocks: the only ones that the model may name.
    """
    functions = [
        _with_labels(function, labels) if tool.is_built_in else function
        for tool in tools
        if (function := function_of(tool)) is not None
    ]
    return [{"type": "function", "function": function} for function in functions]


def _with_labels(function: dict[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    parameters = function["parameters"]
    if not labels or "label" not in parameters["properties"]:
        return function
    properties = {**parameters["properties"], "label": {**_LABEL, "enum": list(labels)}}
    return {**function, "parameters": {**parameters, "properties": properties}}
