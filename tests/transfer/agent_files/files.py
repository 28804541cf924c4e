"""Small agent files in both formats, and a snapshot of an agent to compare two of them."""

import copy
import json
from pathlib import Path

from conversations.domain.actor import SERVER
from conversations.domain.memory.effective import effective_blocks
from conversations.models import Agent, Tool
from conversations.transfer.agent_files.parse import parse_agent_file
from conversations.transfer.agent_files.store import ImportOptions, import_agent_file
from conversations.transfer.agent_files.write import export_agent

from ...factories import actor

# Files written by other servers; they are not in the repository.
FOREIGN = sorted((Path(__file__).parents[4] / "shared" / "agent_files").glob("*.af"))

SOURCE = "def look_up(order): raise SystemExit('this must never run')"
CALL = {"id": "call-1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
TOOL = {
    "name": "look_up",
    "description": "Looks up an order.",
    "json_schema": {"name": "look_up", "parameters": {"type": "object", "properties": {}}},
    "source_code": SOURCE,
    "source_type": "python",
    "tool_type": "custom",
    "tags": ["orders"],
}

FLAT = {
    "agent_type": "memgpt_agent",
    "name": "Flat",
    "description": None,
    "system": "You answer.",
    "version": "0.6.47",
    "llm_config": {"model": "m", "model_endpoint_type": "openai", "context_window": 8000},
    "embedding_config": {"handle": "openai/e"},
    "core_memory": [
        {"label": "human", "value": "Ada", "limit": 2},
        {"label": "persona", "value": "Calm", "limit": 5000},
    ],
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "Old prompt"}]},
        {"role": "user", "text": "one"},
        {"role": "user", "content": "two", "created_at": "2025-04-01T03:47:19"},
        {"role": "assistant", "content": [], "tool_calls": [CALL]},
        {"role": "function", "content": [{"type": "text", "text": "found"}], "name": "look_up"},
    ],
    "in_context_message_indices": [0, 2, 3, 4],
    "tool_rules": [{"type": "requires_approval", "tool_name": "look_up"}],
    "tools": [TOOL],
    "tool_exec_environment_variables": [{"key": "TOKEN", "value": ""}],
}
NEWER = {
    "agents": [
        {
            "id": "agent-0",
            "name": "Newer",
            "system": "You answer.",
            "llm_config": {"handle": "nowhere/m", "context_window": 9000},
            "tags": ["a"],
            "block_ids": ["block-1", "block-0"],
            "tool_ids": ["tool-0"],
            "messages": [
                {"id": "message-0", "role": "system", "content": "Old prompt"},
                {"id": "message-1", "role": "user", "content": "hello"},
            ],
            "in_context_message_ids": ["message-0", "message-1"],
        }
    ],
    "blocks": [
        {"id": "block-0", "label": "human", "value": "Ada", "limit": 100},
        {"id": "block-1", "label": "persona", "value": "Calm", "limit": 100},
    ],
    "tools": [{"id": "tool-0", **TOOL}],
    "groups": [],
    "metadata": {"revision_id": "066857381578"},
}


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def changed(document: dict, path: str, value: object) -> dict:
    """Return a copy of a document with another value in one place."""
    document = copy.deepcopy(document)
    *names, last = [int(name) if name.isdigit() else name for name in path.split(".")]
    place = document
    for name in names:
        place = place[name]
    place[last] = value
    return document


def import_document(user, document: object, **options) -> list[Agent]:
    data = document if isinstance(document, bytes) else encoded(document)
    file = parse_agent_file(data)
    return import_agent_file(
        user.organization, file, by=actor(user, "import"), options=ImportOptions(**options)
    )


def copy_of(agent: Agent, user, **options) -> Agent:
    [imported] = import_document(user, export_agent(agent, by=SERVER, **options))
    return imported


def snapshot(agent: Agent, *, revisions: bool = False) -> dict:
    """Return everything about an agent except its ids."""
    fields = ["name", "description", "system", "agent_type", "model", "model_settings"]
    fields += ["tool_rules", "tags", "metadata", "isolated_labels"]
    fields += ["embedding", "context_window_limit", "timezone", "hidden", "created_at"]
    conversations = list(agent.conversations.live().order_by("-is_default", "created_at", "id"))
    numbers = {conversation.pk: number for number, conversation in enumerate(conversations)}
    return {name: getattr(agent, name) for name in fields} | {
        "tools": [tool.name for tool in Tool.objects.of_agent(agent)],
        "conversations": [
            conversation_snapshot(conversation, numbers, revisions)
            for conversation in conversations
        ],
    }


def conversation_snapshot(conversation, numbers: dict[str, int], revisions: bool) -> dict:
    links = conversation.message_links.order_by("position").select_related("message")
    fields = ["is_default", "summary", "description", "model", "created_at", "archived_at"]
    places = {link.message_id: link.position for link in links}
    return {name: getattr(conversation, name) for name in fields} | {
        "blocks": [
            block_snapshot(effective, revisions) for effective in effective_blocks(conversation)
        ],
        "messages": [message_snapshot(link) for link in links],
        "forked_from": numbers.get(conversation.forked_from_id),
        "forked_at": places.get(conversation.forked_at_message_id),
    }


def block_snapshot(effective, revisions: bool) -> dict:
    block = effective.block
    fields = ["label", "value", "limit", "description", "metadata", "read_only", "copy_on_write"]
    fields += ["hidden", "tags"]
    history = [
        (r.number, r.value, r.source, r.reason, r.written_at, r.restored_number)
        for r in block.revisions.order_by("number")
    ]
    return {name: getattr(block, name) for name in fields} | {
        "origin": effective.origin,
        "drift": effective.drift,
        "base": effective.isolation.base_value if effective.isolation else None,
        "revisions": history if revisions else None,
    }


def message_snapshot(link) -> tuple:
    message = link.message
    # The text of a system message contains ids.
    content = message.content if link.position else None
    calls = (message.tool_calls, message.tool_call_id, message.tool_returns, message.name)
    when = message.created_at if link.position else None
    return (message.role, content, calls, message.otid, message.is_err, when, link.in_context)
