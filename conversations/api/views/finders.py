"""Find the rows that a request names, always starting from the caller's organization."""

from rest_framework.request import Request

from ...domain.errors import NotFound, UnknownId
from ...ids import is_id
from ...models import Agent, Block, Conversation, Message, Run, Step
from ...models.agents import AgentQuerySet
from ...models.base import OrganizationQuerySet
from ...models.blocks import BlockQuerySet
from ...models.conversations import ConversationQuerySet
from ...models.messages import MessageQuerySet
from ...models.runs import RunQuerySet
from ..auth import key_of
from ..http.errors import InvalidRequest


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


def messages_of(request: Request) -> MessageQuerySet:
    """Return the messages of the organization's live conversations."""
    rows = Message.objects.in_organization(key_of(request).organization_id)
    return rows.in_live_conversations()


def runs_of(request: Request) -> RunQuerySet:
    """Return the runs of the organization's live agents."""
    return Run.objects.in_organization(key_of(request).organization_id).of_live_agents()


def steps_of(request: Request) -> OrganizationQuerySet[Step]:
    """Return the steps of the organization's live conversations."""
    rows = Step.objects.in_organization(key_of(request).organization_id)
    return rows.filter(run__agent__deleted_at=None, run__conversation__deleted_at=None)


def find_agent(request: Request, agent_id: str, rows: AgentQuerySet | None = None) -> Agent:
    """Return the agent with this id, from `rows` if the caller needs its relations too."""
    agent = (agents_of(request) if rows is None else rows).get_or_none(pk=agent_id)
    if agent is None:
        raise UnknownId(Agent, agent_id)
    return agent


def find_block(request: Request, block_id: str) -> Block:
    """Return the block with this id."""
    block = blocks_of(request).get_or_none(pk=block_id)
    if block is None:
        raise UnknownId(Block, block_id)
    return block


def find_blocks(request: Request, block_ids: list[str]) -> list[Block]:
    """Return the blocks that a body names as `block_ids`, in that order."""
    if malformed := [block_id for block_id in block_ids if not is_id("block", block_id)]:
        raise InvalidRequest(f"block_ids: expected block-<uuid4>, got {malformed[0]!r}")
    found = blocks_of(request).in_bulk(block_ids)
    if missing := [block_id for block_id in block_ids if block_id not in found]:
        raise NotFound(f"block_ids: Block with id '{missing[0]}' not found")
    return [found[block_id] for block_id in block_ids]


def find_conversation(request: Request, conversation_id: str) -> Conversation:
    """Return the conversation with this id."""
    conversation = conversations_of(request).get_or_none(pk=conversation_id)
    if conversation is None:
        raise UnknownId(Conversation, conversation_id)
    return conversation


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
        return find_conversation(request, conversation_id)
    if not is_id("agent", conversation_id):
        raise InvalidRequest(
            "conversation_id: expected conv-<uuid4>, 'default' or agent-<uuid4>, "
            f"got {conversation_id!r}"
        )
    conversation = conversations_of(request).get_or_none(agent=conversation_id, is_default=True)
    if conversation is None:
        raise UnknownId(Agent, conversation_id)
    return conversation


def find_agent_conversation(
    request: Request, agent: Agent, conversation_id: str | None
) -> Conversation:
    """Return a conversation of this agent; the default one for None."""
    conversation = resolve_conversation(request, conversation_id or "default", agent.pk)
    if conversation.agent_id != agent.pk:
        raise NotFound(f"Conversation not found with id='{conversation_id}' for agent '{agent.pk}'")
    return conversation


def find_run(request: Request, run_id: str) -> Run:
    """Return the run with this id."""
    run: Run | None = runs_of(request).get_or_none(pk=run_id)
    if run is None:
        raise UnknownId(Run, run_id)
    return run


def find_step(request: Request, step_id: str) -> Step:
    """Return the step with this id, its run and its agent."""
    step = steps_of(request).select_related("run__agent").get_or_none(pk=step_id)
    if step is None:
        raise UnknownId(Step, step_id)
    return step
