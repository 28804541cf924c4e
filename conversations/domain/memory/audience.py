"""Whom an edit of a block reaches."""

from typing import NamedTuple

from ...models import Block, Conversation, IsolatedBlock


class Audience(NamedTuple):
    """Live agents and conversations that read a block, and those that isolated its label."""

    agents: int
    conversations: int
    isolated: int


def find_audience(block: Block) -> Audience:
    """Of an isolated block, its conversation alone."""
    if block.is_isolated:
        return Audience(0, IsolatedBlock.objects.filter(block=block).count(), 0)
    agents = block.agents.live()
    conversations = Conversation.objects.live().filter(agent__in=agents)
    isolated = IsolatedBlock.objects.filter(conversation__in=conversations, label=block.label)
    own = isolated.count()
    return Audience(agents.count(), conversations.count() - own, own)
