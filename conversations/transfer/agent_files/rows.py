"""Blocks, tools and messages as an agent file has them."""

from collections import Counter
from datetime import datetime
from typing import Any

from ...domain.tools.definitions import FUNCTIONS, tool_id
from ...models import Agent, Block, BlockRevision, Message


class FileIds:
    """`block-0`, `block-1`, … for rows, in the order they are first named."""

    def __init__(self):
        self.known: dict[str, str] = {}
        self.counts: Counter[str] = Counter()

    def __call__(self, pk: str) -> str:
        if pk not in self.known:
            prefix = pk.partition("-")[0]
            self.known[pk] = f"{prefix}-{self.counts[prefix]}"
            self.counts[prefix] += 1
        return self.known[pk]


def time_text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def describe_block(block: Block, ids: FileIds) -> dict[str, Any]:
    return {
        "id": ids(block.pk),
        "label": block.label,
        "value": block.value,
        "limit": block.limit,
        "description": block.description,
        "metadata": block.metadata,
        "read_only": block.read_only,
        "hidden": block.hidden,
        "is_template": block.is_template,
        "template_name": block.template_name,
        "project_id": block.project_id,
    }


def describe_block_details(
    block: Block, revisions: list[BlockRevision], ids: FileIds
) -> dict[str, Any]:
    details = {
        "block_id": ids(block.pk),
        "tags": block.tags,
        "copy_on_write": block.copy_on_write,
    }
    if revisions:
        details["revisions"] = [
            {
                "number": revision.number,
                "value": revision.value,
                "description": revision.description,
                "limit": revision.limit,
                "attributes": revision.attributes,
                "restored_number": revision.restored_number,
                "base_version": revision.base_version,
                "source": revision.source,
                "reason": revision.reason,
                "unconditional": revision.unconditional,
                "written_at": time_text(revision.written_at),
            }
            for revision in revisions
        ]
    return details


def describe_tool(agent: Agent, name: str, ids: FileIds) -> dict[str, Any]:
    kept = {tool["name"]: tool for tool in agent.tool_definitions}
    function = FUNCTIONS.get(name)
    known = {"tool_type": "letta_core", "source_type": "python"} if function else {}
    return {
        "id": ids(tool_id(name)),
        "name": name,
        "tool_type": "custom",
        "description": function["description"] if function else None,
        "json_schema": function,
        "tags": [],
        **known,
        **kept.get(name, {}),
    }


def describe_message(message: Message, ids: FileIds) -> dict[str, Any]:
    return {
        "type": "message",
        "id": ids(message.pk),
        "agent_id": ids(message.agent_id),
        "role": message.role,
        "content": message.content,
        "name": message.name,
        "otid": message.otid,
        "sender_id": message.sender_id,
        "group_id": message.group_id,
        "model": message.model,
        "tool_calls": message.tool_calls or None,
        "tool_call_id": message.tool_call_id,
        "tool_returns": message.tool_returns,
        "created_at": time_text(message.created_at),
    }
