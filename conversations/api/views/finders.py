"""Finding what a request names, always starting from the caller's organization."""

from ...domain.errors import NotFound, UnknownId
from ...ids import is_id
from ...models import Agent, Block, Conversation, Message, Run, Step
from ..http.errors import InvalidRequest


def agents_of(request):
    return Agent.objects.in_organization(request.auth.organization_id).live()


def conversations_of(request):
    return (
        Conversation.objects.in_organization(request.auth.organization_id)
        .live()
        .select_related("agent")
    )


def blocks_of(request):
    return Block.objects.in_organization(request.auth.organization_id).live()


def messages_of(request):
    return Message.objects.in_organization(request.auth.organization_id).in_live_conversations()


def runs_of(request):
    return Run.objects.in_organization(request.auth.organization_id).of_live_agents()


def steps_of(request):
    """Those of runs that can be seen."""
    steps = Step.objects.in_organization(request.auth.organization_id)
    return steps.filter(run__agent__deleted_at=None, run__conversation__deleted_at=None)


def find_agent(request, agent_id: str, rows=None) -> Agent:
    """The agent of a path."""
    rows = agents_of(request) if rows is None else rows
    agent = rows.get_or_none(pk=agent_id)
    if agent is None:
        raise UnknownId(Agent, agent_id)
    return agent


def find_block(request, block_id: str) -> Block:
    block = blocks_of(request).get_or_none(pk=block_id)
    if block is None:
        raise UnknownId(Block, block_id)
    return block


def find_blocks(request, block_ids: list[str]) -> list[Block]:
    """The blocks a body names, in that order."""
    wrong = [block_id for block_id in block_ids if not is_id("block", block_id)]
    if wrong:
        raise InvalidRequest(f"block_ids: expected block-<uuid4>, got {wrong[0]!r}")
    found = blocks_of(request).in_bulk(block_ids)
    if missing := [block_id for block_id in block_ids if block_id not in found]:
        raise NotFound(f"block_ids: Block with id '{missing[0]}' not found")
    return [found[block_id] for block_id in block_ids]


def find_conversation(request, conversation_id: str) -> Conversation:
    """The conversation of a path that takes `conv-…` only."""
    conversation = conversations_of(request).get_or_none(pk=conversation_id)
    if conversation is None:
        raise UnknownId(Conversation, conversation_id)
    return conversation


def find_run(request, run_id: str) -> Run:
    run = runs_of(request).get_or_none(pk=run_id)
    if run is None:
        raise UnknownId(Run, run_id)
    return run


def resolve_conversation(
    request, conversation_id: str, agent_id: str | None = None
) -> Conversation:
    """The conversation of a path that also takes `default`, with the agent named beside it, or an
    agent's id: both mean the agent's own."""
    if conversation_id == "default":
        if agent_id is None:
            raise NotFound("Conversation not found with id='default': name its agent in agent_id")
        conversation_id = agent_id
    if not is_id("agent", conversation_id):
        if not is_id("conv", conversation_id):
            raise InvalidRequest(
                "conversation_id: expected conv-<uuid4>, 'default' or agent-<uuid4>, "
                f"got {conversation_id!r}"
            )
        return find_conversation(request, conversation_id)
    conversation = conversations_of(request).get_or_none(agent=conversation_id, is_default=True)
    if conversation is None:
        raise UnknownId(Agent, conversation_id)
    return conversation


def find_agent_conversation(request, agent: Agent, conversation_id: str | None) -> Conversation:
    """One of this agent's conversations; its own when none is named."""
    conversation = resolve_conversation(request, conversation_id or "default", agent.pk)
    if conversation.agent_id != agent.pk:
        raise NotFound(f"Conversation not found with id='{conversation_id}' for agent '{agent.pk}'")
    return conversation
