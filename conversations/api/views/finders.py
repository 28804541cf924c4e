"""Find the rows that a request names, always starting from the caller's organization."""

from typing import TypeVar

from django.db import models
from rest_framework.request import Request

from ...context import bind
from ...domain.errors import NotFound, UnknownId
from ...ids import is_id
from ...models import (
    Agent,
    Archive,
    Block,
    Conversation,
    Folder,
    Identity,
    McpServer,
    Message,
    Passage,
    Run,
    Step,
    Tool,
)
from ...models.agents import AgentQuerySet
from ...models.archives import ArchiveQuerySet, PassageQuerySet
from ...models.base import OrganizationQuerySet
from ...models.blocks import BlockQuerySet
from ...models.conversations import ConversationQuerySet
from ...models.folders import FolderQuerySet
from ...models.identities import IdentityQuerySet
from ...models.mcp_servers import McpServerQuerySet
from ...models.messages import MessageQuerySet
from ...models.runs import RunQuerySet, StepQuerySet
from ...models.tools import ToolQuerySet
from ..auth import key_of
from ..http.errors import InvalidRequest

Row = TypeVar("Row", bound=models.Model)


def agents_of(request: Request) -> AgentQuerySet:
    """Return the live agents of the caller's organization."""
    return Agent.objects.in_organization(key_of(request).organization_id).live()


def conversations_of(request: Request) -> ConversationQuerySet:
    """Return the live conversations of the caller's organization, with their agents."""
    rows = Conversation.objects.in_organization(key_of(request).organization_id)
    return rows.live().select_related("agent")


def blocks_of(request: Request) -> BlockQuerySet:
    """Return the live blocks of the caller's organization."""
    return Block.objects.in_organization(key_of(request).organization_id).live()


def archives_of(request: Request) -> ArchiveQuerySet:
    """Return the archives of the caller's organization."""
    return Archive.objects.in_organization(key_of(request).organization_id).live()


def passages_of(request: Request) -> PassageQuerySet:
    """Return the passages of the organization's archives."""
    rows: PassageQuerySet = Passage.objects.in_organization(key_of(request).organization_id)
    return rows.live().of_archives()


def folders_of(request: Request) -> FolderQuerySet:
    """Return the folders of the caller's organization, with their archives."""
    rows = Folder.objects.in_organization(key_of(request).organization_id)
    return rows.select_related("archive")


def messages_of(request: Request) -> MessageQuerySet:
    """Return the messages of the organization's live conversations."""
    rows = Message.objects.in_organization(key_of(request).organization_id)
    return rows.in_live_conversations()


def runs_of(request: Request) -> RunQuerySet:
    """Return the runs of the organization's live agents."""
    return Run.objects.in_organization(key_of(request).organization_id).of_live_agents()


def steps_of(request: Request) -> StepQuerySet:
    """Return the steps of the organization's live conversations."""
    rows: StepQuerySet = Step.objects.in_organization(key_of(request).organization_id)
    return rows.filter(run__agent__deleted_at=None, run__conversation__deleted_at=None)


def identities_of(request: Request) -> IdentityQuerySet:
    """Return the identities of the caller's organization."""
    return Identity.objects.in_organization(key_of(request).organization_id).live()


def tools_of(request: Request) -> ToolQuerySet:
    """Return the tools of the caller's organization."""
    return Tool.objects.in_organization(key_of(request).organization_id)


def mcp_servers_of(request: Request) -> McpServerQuerySet:
    """Return the MCP servers of the caller's organization, with their headers."""
    rows = McpServer.objects.in_organization(key_of(request).organization_id)
    return rows.prefetch_related("headers")


def find(rows: OrganizationQuerySet[Row], row_id: str) -> Row:
    """Return the row with this id; raise UnknownId if there is none."""
    row = rows.get_or_none(pk=row_id)
    if row is None:
        raise UnknownId(rows.model, row_id)
    if isinstance(row, Conversation):
        bind(conversation=row.pk)
    elif isinstance(row, Run):
        bind(conversation=row.conversation_id, run=row.pk)
    return row


def find_blocks(request: Request, block_ids: list[str]) -> list[Block]:
    """Return the blocks that a body names as `block_ids`, in that order."""
    return _find_all(blocks_of(request), "block", block_ids)


def find_tools(request: Request, tool_ids: list[str]) -> list[Tool]:
    """Return the tools that a body names as `tool_ids`, in that order."""
    found = tools_of(request).in_bulk([each for each in tool_ids if is_id("tool", each)])
    if missing := [tool_id for tool_id in tool_ids if tool_id not in found]:
        raise NotFound(f"tool_ids: Tool with id {missing[0]!r} not found")
    return [found[tool_id] for tool_id in tool_ids]


def find_agents(request: Request, agent_ids: list[str]) -> list[Agent]:
    """Return the agents that a body names as `agent_ids`, in that order."""
    return _find_all(agents_of(request), "agent", agent_ids)


def find_identities(request: Request, identity_ids: list[str]) -> list[Identity]:
    """Return the identities that a body names as `identity_ids`, in that order."""
    return _find_all(identities_of(request), "identity", identity_ids)


def find_folders(request: Request, folder_ids: list[str]) -> list[Folder]:
    """Return the folders that a body names as `folder_ids`, in that order."""
    return _find_all(folders_of(request), "source", folder_ids)


def _find_all(rows: OrganizationQuerySet[Row], prefix: str, ids: list[str]) -> list[Row]:
    """Return the rows that the field `<prefix>_ids` names, in that order."""
    if malformed := [each for each in ids if not is_id(prefix, each)]:
        raise InvalidRequest(f"{prefix}_ids: expected {prefix}-<uuid4>, got {malformed[0]!r}")
    found = rows.in_bulk(ids)
    if missing := [each for each in ids if each not in found]:
        raise NotFound(f"{prefix}_ids: {prefix.capitalize()} with id '{missing[0]}' not found")
    return [found[each] for each in ids]


def resolve_conversation(
    request: Request, conversation_id: str, agent_id: str | None = None
) -> Conversation:
    """Return the conversation with this id, or an agent's default conversation.

    `default` is the default conversation of `agent_id`; an agent's id is its default conversation.
    """
    if conversation_id == "default":
        if agent_id is None:
            raise NotFound("Conversation not found with id='default': name its agent in agent_id")
        conversation_id = agent_id
    if is_id("conv", conversation_id):
        return find(conversations_of(request), conversation_id)
    if not is_id("agent", conversation_id):
        raise InvalidRequest(
            "conversation_id: expected conv-<uuid4>, 'default' or agent-<uuid4>, "
            f"got {conversation_id!r}"
        )
    conversation = conversations_of(request).get_or_none(agent=conversation_id, is_default=True)
    if conversation is None:
        raise UnknownId(Agent, conversation_id)
    bind(conversation=conversation.pk)
    return conversation


def find_agent_conversation(
    request: Request, agent: Agent, conversation_id: str | None
) -> Conversation:
    """Return a conversation of this agent; the default one for None."""
    conversation = resolve_conversation(request, conversation_id or "default", agent.pk)
    if conversation.agent_id != agent.pk:
        raise NotFound(f"Conversation not found with id='{conversation_id}' for agent '{agent.pk}'")
    return conversation
