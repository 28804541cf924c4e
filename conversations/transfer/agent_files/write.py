"""Writing agent files: the newer shape, with conversations beside it."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, TypeVar

from django.db.models import QuerySet
from django.utils import timezone

from ...domain.snapshots import snapshot
from ...domain.tools.definitions import tool_id
from ...models import (
    Agent,
    Block,
    BlockRevision,
    Conversation,
    ConversationMessage,
    IsolatedBlock,
)
from .parse_extension import FORMAT, FORMAT_KEY
from .rows import (
    FileIds,
    describe_block,
    describe_block_details,
    describe_message,
    describe_tool,
    time_text,
)

Link = TypeVar("Link", ConversationMessage, IsolatedBlock)

# What V1's readers want to find on every agent, and what has one value here.
AGENT_CONSTANTS: dict[str, Any] = {
    "memory_blocks": [],
    "tools": [],
    "source_ids": [],
    "initial_message_sequence": None,
    "include_base_tools": False,
    "include_multi_agent_tools": False,
    "include_base_tool_rules": False,
    "include_default_source": False,
    "embedding_config": None,
    "model": None,
    "model_settings": None,
    "context_window_limit": None,
    "message_buffer_autoclear": False,
    "enable_sleeptime": False,
    "files_agents": [],
    "group_ids": [],
}


def export_agent(
    agent: Agent,
    *,
    conversation: Conversation | None = None,
    with_messages: bool = True,
    with_revisions: bool = False,
) -> dict[str, Any]:
    """An agent file of one agent with its live conversations, or with one of them.

    The agent's own messages, where V1's readers look for them, are those of `conversation`, else
    those of its default conversation. Without messages it is a template: it has no conversations.
    """
    with snapshot():
        agent = Agent.objects.get(pk=agent.pk)
        ids = FileIds()
        block_links = agent.block_links.in_prompt_order().select_related("block")
        attached = [link.block for link in block_links]
        threads = _threads(agent, conversation) if with_messages else Conversation.objects.none()
        isolations = _by_conversation(
            IsolatedBlock.objects.filter(conversation__in=threads)
            .in_order()
            .select_related("block")
        )
        links = _by_conversation(
            ConversationMessage.objects.filter(conversation__in=threads)
            .order_by("position")
            .select_related("message")
        )
        own = [isolation.block for thread in threads for isolation in isolations[thread.pk]]
        blocks = [*attached, *own]
        thread = conversation or next((each for each in threads if each.is_default), None)
        revisions = _revisions(blocks) if with_revisions else {}
        shown = links[thread.pk] if thread else []
        written = {link.message_id for link in shown}
        return {
            "agents": [_agent(agent, attached, shown, ids)],
            "groups": [],
            "blocks": [describe_block(block, ids) for block in blocks],
            "files": [],
            "sources": [],
            "tools": [describe_tool(agent, name, ids) for name in agent.tools],
            "mcp_servers": [],
            "skills": [],
            "metadata": {FORMAT_KEY: FORMAT},
            "created_at": time_text(timezone.now()),
            "agent_details": [_agent_details(agent, ids)],
            "block_details": [
                describe_block_details(b, revisions.get(b.pk, []), ids) for b in blocks
            ],
            "conversations": [
                _conversation(each, links[each.pk], isolations[each.pk], attached, written, ids)
                for each in threads
            ],
        }


def _threads(agent: Agent, conversation: Conversation | None) -> QuerySet[Conversation]:
    """The oldest first, so that forks come after what they were forked from."""
    live = Conversation.objects.live().filter(agent=agent)
    if conversation is not None:
        live = live.filter(pk=conversation.pk)
    return live.order_by("-is_default", "created_at", "id")


def _by_conversation(rows: Iterable[Link]) -> dict[str, list[Link]]:
    found: dict[str, list[Link]] = defaultdict(list)
    for row in rows:
        found[row.conversation_id].append(row)
    return found


def _revisions(blocks: list[Block]) -> dict[str, list[BlockRevision]]:
    found = defaultdict(list)
    rows = BlockRevision.objects.filter(block__in=[block.pk for block in blocks])
    for revision in rows.order_by("number"):
        found[revision.block_id].append(revision)
    return found


def _agent(
    agent: Agent, attached: list[Block], links: list[ConversationMessage], ids: FileIds
) -> dict[str, Any]:
    provider, _, model = agent.model.partition("/")
    return AGENT_CONSTANTS | {
        "id": ids(agent.pk),
        "name": agent.name,
        "description": agent.description,
        "system": agent.system,
        "agent_type": agent.agent_type,
        "llm_config": {
            "model": model,
            "model_endpoint_type": provider,
            "provider_name": provider,
            "context_window": agent.context_window_limit,
            "handle": agent.model,
        },
        "embedding": agent.embedding,
        "block_ids": [ids(block.pk) for block in attached],
        "tool_ids": [ids(tool_id(name)) for name in agent.tools],
        "tool_rules": [
            {"type": "requires_approval", "tool_name": name} for name in agent.approval_tools
        ],
        "tags": agent.tags,
        "metadata": agent.metadata,
        "timezone": agent.timezone,
        "hidden": agent.hidden,
        "messages": [describe_message(link.message, ids) for link in links],
        "in_context_message_ids": [ids(link.message_id) for link in _in_context(links)],
    }


def _in_context(links: list[ConversationMessage]) -> list[ConversationMessage]:
    return [link for link in links if link.in_context]


def _agent_details(agent: Agent, ids: FileIds) -> dict[str, Any]:
    return {
        "agent_id": ids(agent.pk),
        "isolated_labels": agent.isolated_labels,
        "model_settings": agent.model_settings,
        "created_at": time_text(agent.created_at),
    }


def _conversation(
    thread: Conversation,
    links: list[ConversationMessage],
    isolations: list[IsolatedBlock],
    attached: list[Block],
    written: set[str],
    ids: FileIds,
) -> dict[str, Any]:
    """`written` are the messages that the file has already: a fork shares them."""
    fresh = [link.message for link in links if link.message_id not in written]
    written |= {message.pk for message in fresh}
    shared = {block.pk for block in attached}
    return {
        "id": ids(thread.pk),
        "agent_id": ids(thread.agent_id),
        "is_default": thread.is_default,
        "summary": thread.summary,
        "description": thread.description,
        "model": thread.model,
        "model_settings": thread.model_settings,
        "context_window_limit": thread.context_window_limit,
        "hidden": thread.hidden,
        "created_at": time_text(thread.created_at),
        "last_message_at": time_text(thread.last_message_at),
        "archived_at": time_text(thread.archived_at),
        "forked_from": _forked_from(thread, written, ids),
        "messages": [describe_message(message, ids) for message in fresh],
        "message_ids": [ids(link.message_id) for link in links],
        "in_context_message_ids": [ids(link.message_id) for link in _in_context(links)],
        "failed_message_ids": [ids(link.message_id) for link in links if link.message.is_err],
        "isolated_blocks": [
            {
                "label": isolation.label,
                "block_id": ids(isolation.block_id),
                "source_block_id": ids(isolation.source_block_id)
                if isolation.source_block_id in shared
                else None,
                "base_value": isolation.base_value,
                "base_version": isolation.base_version,
            }
            for isolation in isolations
        ],
    }


def _forked_from(thread: Conversation, written: set[str], ids: FileIds) -> dict[str, Any] | None:
    """Only as far as the file has what it names."""
    if thread.forked_from_id is None or thread.forked_from_id not in ids.known:
        return None
    message_id = thread.forked_at_message_id
    return {
        "conversation_id": ids(thread.forked_from_id),
        "message_id": ids(message_id) if message_id in written else None,
    }
