"""The parts of an agent file that all of its shapes have: blocks, messages and tools."""

import re
from typing import Any

from ...domain.memory.blocks import BlockFields
from ...domain.tools.definitions import FUNCTIONS
from ...models import Block, Message
from ...models.blocks import LABEL_LENGTH, LABEL_PATTERN
from .json_reader import Node
from .model import ParcelBlock

ROLES = {role: role for role in Message.Role.values} | {"function": "tool"}
# Those of its own that a tool keeps here: what it is and does, not whose it was.
TOOL_FIELDS = (
    "name",
    "description",
    "json_schema",
    "args_json_schema",
    "source_type",
    "source_code",
    "tool_type",
    "tags",
    "return_char_limit",
    "default_requires_approval",
    "pip_requirements",
    "npm_requirements",
)


def read_block(node: Node, block_id: str, remarks: list[str]) -> ParcelBlock:
    label = node.needed_text("label", most=LABEL_LENGTH)
    if not re.fullmatch(LABEL_PATTERN, label):
        raise node.get("label").wrong("letters, digits, underscores, hyphens and slashes")
    value = node.text("value") or ""
    limit = node.number("limit", least=1) or Block.DEFAULT_LIMIT
    if len(value) > limit:
        # Its server did not enforce limits. The text is what counts.
        remarks.append(f"{node.path}: the limit {limit} is raised to the {len(value)} of the value")
        limit = len(value)
    fields: BlockFields = {
        "label": label,
        "value": value,
        "limit": limit,
        "description": node.text("description"),
        "metadata": node.object("metadata") or node.object("metadata_") or {},
        "read_only": node.flag("read_only") or False,
        "hidden": node.flag("hidden"),
        "tags": node.texts("tags"),
        "is_template": node.flag("is_template") or False,
        "template_name": node.text("template_name", most=200),
        "project_id": node.text("project_id", most=200),
    }
    return ParcelBlock(block_id, node.path, fields)


def read_message(node: Node, remarks: list[str]) -> dict[str, Any]:
    role = node.needed_text("role")
    if role not in ROLES:
        raise node.get("role").wrong(f"one of {', '.join(ROLES)}")
    if node.has("approve") or node.each("approvals"):
        remarks.append(f"{node.path}: what was answered to an approval has no place here")
    return {
        "role": ROLES[role],
        "content": _parts(node),
        "tool_calls": [_call(call) for call in node.each("tool_calls")],
        "tool_call_id": node.text("tool_call_id", most=200),
        "tool_returns": [result.fields for result in node.each("tool_returns")],
        "name": node.text("name", most=200),
        "otid": node.text("otid", most=200),
        "sender_id": node.text("sender_id", most=200),
        "group_id": node.text("group_id", most=200),
        "model": node.text("model", most=200),
        "is_err": node.flag("is_err"),
        "created_at": node.time("created_at"),
    }


def _parts(node: Node) -> list[dict]:
    content = node.get("content")
    if isinstance(content.value, str):
        return [{"type": "text", "text": content.value}]
    if content.value is None and node.has("text"):
        return [{"type": "text", "text": node.needed_text("text")}]
    parts = node.each("content")
    for part in parts:
        if part.needed_text("type") == "text":
            part.needed_text("text")
    return [part.fields for part in parts]


def _call(node: Node) -> dict:
    function = node.get("function")
    name, arguments = function.needed_text("name"), function.needed_text("arguments")
    call_id = node.needed_text("id")
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def read_tools(nodes: list[Node]) -> list[dict[str, Any]]:
    tools = []
    for node in nodes:
        node.needed_text("name", most=200)
        for name in ("description", "source_code"):
            node.text(name)
        node.object("json_schema")
        node.texts("tags")
        tools.append({name: node.value[name] for name in TOOL_FIELDS if name in node.value})
    return tools


def own_tools(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that this server does not know by name. They are kept and shown, never run."""
    found = {tool["name"]: tool for tool in tools if tool["name"] not in FUNCTIONS}
    return [tool for tool in found.values() if len(tool) > 1]
