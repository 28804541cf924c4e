"""The part of an agent file that is this server's own: conversations and what V1 had no field for.

It stands at the top level of the file, where V1 readers skip what they don't know, and a key of
the file's metadata tells its format.
"""

from typing import Any

from ...domain.errors import InvalidArgument, InvalidValue
from ...domain.memory.blocks import ATTRIBUTES
from ...models import BlockRevision
from .json_reader import Node
from .model import (
    Parcel,
    ParcelAgent,
    ParcelBlock,
    ParcelConversation,
    ParcelIsolation,
    reading_order,
)
from .pieces import read_block, read_message

FORMAT_KEY = "x_conversations_schema"
FORMAT = "1"


def read_details(document: Node, agents: dict[str, ParcelAgent], parcel: Parcel) -> None:
    for node in document.each("agent_details"):
        agent = _one_of(agents, node.get("agent_id"), "an agent")
        labels = {parcel.blocks[block_id].fields["label"] for block_id in agent.block_ids}
        for label in node.each("isolated_labels"):
            if label.as_text() not in labels:
                raise label.wrong("the label of one of the agent's blocks")
        agent.fields["isolated_labels"] = node.texts("isolated_labels")
        agent.fields["model_settings"] = node.object("model_settings")
        agent.created_at = node.time("created_at")
    for node in document.each("block_details"):
        block = _one_of(parcel.blocks, node.get("block_id"), "a block")
        block.fields["tags"] = node.texts("tags")
        block.fields["copy_on_write"] = node.flag("copy_on_write") or False
        block.revisions = [_read_revision(revision) for revision in node.each("revisions")]
        _check_revisions(node, block)


def read_conversations(document: Node, agents: dict[str, ParcelAgent], parcel: Parcel) -> None:
    found: dict[str, ParcelConversation] = {}
    isolated: set[str] = set()
    owners = {each: a.id for a in agents.values() for each in a.conversations[0].message_ids}
    for node in document.each("conversations"):
        agent = _one_of(agents, node.get("agent_id"), "an agent")
        conversation = _read_conversation(node, agent, parcel)
        for each in conversation.message_ids:
            if owners.setdefault(each, agent.id) != agent.id:
                raise node.get("message_ids").wrong("messages of the conversation's own agent")
        for isolation in conversation.isolations:
            if isolation.block_id in isolated:
                raise InvalidValue(
                    f"{node.path}.isolated_blocks",
                    f"block {isolation.block_id!r} is isolated in another conversation already",
                )
            isolated.add(isolation.block_id)
        if conversation.id in found:
            raise node.get("id").wrong("an id that no other has")
        found[conversation.id] = conversation
        if conversation.is_default:
            agent.conversations[0] = conversation
        else:
            agent.conversations.append(conversation)
    for agent in agents.values():
        for block_id in agent.block_ids:
            if block_id in isolated:
                raise InvalidArgument(
                    f"Block {block_id!r} is isolated, and attached to {agent.id!r}"
                )
    _check_lineage(document, found, parcel)


def _read_conversation(node: Node, agent: ParcelAgent, parcel: Parcel) -> ParcelConversation:
    for message in node.each("messages"):
        message_id = message.needed_text("id")
        if message_id in parcel.messages:
            raise message.get("id").wrong("an id that no other has")
        parcel.messages[message_id] = read_message(message, parcel.remarks)
    ids = _message_ids(node, "message_ids", parcel)
    context = _message_ids(node, "in_context_message_ids", parcel)
    for message in node.each("messages"):
        if message.value["id"] not in ids:
            raise message.get("id").wrong("an id that message_ids has too")
    if not set(context) <= set(ids):
        raise node.get("in_context_message_ids").wrong("ids that message_ids has too")
    for failed in _message_ids(node, "failed_message_ids", parcel):
        parcel.messages[failed]["is_err"] = True
    is_default = node.flag("is_default") or False
    if is_default and set(agent.conversations[0].message_ids) - set(ids):
        raise node.get("message_ids").wrong("all messages of the agent, in its own thread")
    fork = node.get("forked_from") if node.has("forked_from") else Node({}, "")
    return ParcelConversation(
        id=node.needed_text("id"),
        is_default=is_default,
        fields={
            "summary": node.text("summary"),
            "description": node.text("description"),
            "model": node.text("model", most=200),
            "model_settings": node.object("model_settings"),
            "context_window_limit": node.number("context_window_limit", least=1),
            "hidden": node.flag("hidden") or False,
            "last_message_at": node.time("last_message_at"),
            "archived_at": node.time("archived_at"),
            "created_at": node.time("created_at"),
        },
        message_ids=reading_order(ids, context),
        in_context=set(context),
        isolations=_read_isolations(node, parcel),
        forked_from=fork.text("conversation_id"),
        forked_at_message=fork.text("message_id"),
    )


def _read_isolations(node: Node, parcel: Parcel) -> list[ParcelIsolation]:
    isolations, labels = [], set()
    for isolated in node.each("isolated_blocks"):
        block = _one_of(parcel.blocks, isolated.get("block_id"), "a block")
        label = block.fields["label"]
        if label in labels:
            raise isolated.wrong(f"one isolated block for label {label!r}")
        labels.add(label)
        if isolated.has("source_block_id"):
            _one_of(parcel.blocks, isolated.get("source_block_id"), "a block")
        isolations.append(
            ParcelIsolation(
                block.id,
                isolated.text("source_block_id"),
                isolated.needed_text("base_value"),
                isolated.number("base_version") or 0,
            )
        )
    return isolations


def _message_ids(node: Node, name: str, parcel: Parcel) -> list[str]:
    ids: dict[str, None] = {}
    for message in node.each(name):
        if message.as_text() not in parcel.messages:
            raise message.wrong("the id of a message in this file")
        if message.value in ids:
            raise message.wrong("each message once")
        ids[message.value] = None
    return list(ids)


def _read_revision(node: Node) -> dict[str, Any]:
    source = node.needed_text("source")
    if source not in BlockRevision.Source.values:
        raise node.get("source").wrong(f"one of {', '.join(BlockRevision.Source.values)}")
    return {
        "number": node.get("number").as_number(least=1),
        "value": node.needed_text("value"),
        "description": node.text("description"),
        "limit": node.get("limit").as_number(least=1),
        "attributes": _read_attributes(node),
        "restored_number": node.number("restored_number", least=1),
        "base_version": node.number("base_version"),
        "source": source,
        "reason": node.text("reason") or "",
        "unconditional": node.flag("unconditional") or False,
        "written_at": node.time("written_at"),
    }


def _read_attributes(node: Node) -> dict[str, Any] | None:
    """A block's other fields, which undoing would give it again: none but those, and sound."""
    if not node.has("attributes"):
        return None
    attributes = node.get("attributes")
    if unknown := attributes.fields.keys() - set(ATTRIBUTES):
        raise attributes.wrong(
            f"no {', '.join(map(repr, sorted(unknown)))}; known are {', '.join(ATTRIBUTES)}"
        )
    fields = read_block(attributes, "", []).fields
    fields["copy_on_write"] = attributes.flag("copy_on_write") or False
    return {name: value for name, value in fields.items() if name in ATTRIBUTES}


def _check_revisions(node: Node, block: ParcelBlock) -> None:
    numbers = [revision["number"] for revision in block.revisions]
    if numbers != list(range(1, len(numbers) + 1)):
        raise InvalidValue(f"{node.path}.revisions", "expected numbers from 1 on, without gaps")
    for revision in block.revisions:
        if (revision["restored_number"] or 0) >= revision["number"]:
            raise InvalidValue(f"{node.path}.revisions", "expected to restore earlier ones only")
    for revision in block.revisions[-1:]:
        for name in ("value", "description", "limit"):
            if revision[name] != block.fields[name]:
                raise InvalidValue(
                    f"{node.path}.revisions", f"expected the newest to have the block's {name}"
                )


def _one_of(found: dict[str, Any], node: Node, what: str) -> Any:
    if node.as_text() not in found:
        raise node.wrong(f"the id of {what} in this file")
    return found[node.value]


def _check_lineage(document: Node, found: dict[str, ParcelConversation], parcel: Parcel) -> None:
    for index, conversation in enumerate(found.values()):
        node = document.each("conversations")[index].get("forked_from")
        message_id = conversation.forked_at_message
        if message_id is not None and message_id not in parcel.messages:
            raise node.wrong("the id of a message in this file")
        seen = {conversation.id}
        ancestor = conversation.forked_from
        while ancestor is not None:
            if ancestor not in found:
                raise node.wrong("the id of a conversation in this file")
            if ancestor in seen:
                raise node.wrong("a conversation that did not itself begin from this one")
            seen.add(ancestor)
            ancestor = found[ancestor].forked_from
