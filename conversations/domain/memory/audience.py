"""Count who reads a block, and so whom an edit of it reaches."""

from typing import NamedTuple

from ...models import Block, Conversation, IsolatedBlock


class Audience(NamedTuple):
    """Numbers of live agents and conversations that read a block, and that isolated its label."""

    agents: int
    conversations: int
    isolated: int


def find_audience(block: Block) -> Audience:
    """Return who reads a block; an isolated one is read by its conversation only."""
    if block.is_isolated:
        return Audience(0, IsolatedBlock.objects.filter(block=block).count(), 0)
    agents = block.agents.live()
    conversations = Conversation.objects.live().filter(agent__in=agents)
    isolations = IsolatedBlock.objects.filter(conversation__in=conversations, label=block.label)
    isolated = isolations.count()
    return Audience(agents.count(), conversations.count() - isolated, isolated)
