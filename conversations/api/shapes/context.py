"""JSON of a context window."""

from typing_extensions import TypedDict

from ...domain.turns.context_window import ContextWindow
from .fields import JSONObject
from .messages import StoredMessageJSON, stored_message_json


class ContextWindowJSON(TypedDict):
    """V1's `ContextWindowOverview`: what the model would read, and the tokens of each part."""

    context_window_size_max: int
    context_window_size_current: int
    num_messages: int
    num_archival_memory: int
    num_recall_memory: int
    num_tokens_external_memory_summary: int
    external_memory_summary: str
    num_tokens_system: int
    system_prompt: str
    num_tokens_core_memory: int
    core_memory: str
    num_tokens_memory_filesystem: int
    memory_filesystem: None
    num_tokens_tool_usage_rules: int
    tool_usage_rules: None
    num_tokens_directories: int
    directories: str | None
    num_tokens_summary_memory: int
    summary_memory: None
    num_tokens_functions_definitions: int
    functions_definitions: list[JSONObject]
    num_tokens_messages: int
    messages: list[StoredMessageJSON]


def context_window_json(window: ContextWindow) -> ContextWindowJSON:
    """Return the JSON of a context window."""
    return {
        "context_window_size_max": window.size_max,
        "context_window_size_current": window.size_current,
        "num_messages": len(window.messages),
        "num_archival_memory": 0,
        "num_recall_memory": window.message_total,
        "num_tokens_external_memory_summary": window.tokens_metadata,
        "external_memory_summary": window.prompt.metadata,
        "num_tokens_system": window.tokens_system,
        "system_prompt": window.prompt.system,
        "num_tokens_core_memory": window.tokens_memory,
        "core_memory": window.prompt.memory,
        "num_tokens_memory_filesystem": 0,
        "memory_filesystem": None,
        "num_tokens_tool_usage_rules": 0,
        "tool_usage_rules": None,
        "num_tokens_directories": window.tokens_directories,
        "directories": window.prompt.directories or None,
        "num_tokens_summary_memory": 0,
        "summary_memory": None,
        "num_tokens_functions_definitions": window.tokens_functions,
        "functions_definitions": window.functions,
        "num_tokens_messages": window.tokens_messages,
        "messages": [stored_message_json(message) for message in window.messages],
    }
