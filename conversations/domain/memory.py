"""What a conversation reads: the one answer that everything else asks for."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ..models import AgentBlock, Block, Conversation, IsolatedBlock
from ..models.conversations import Drift


@dataclass(frozen=True)
class EffectiveBlock:
    """What one label says in one conversation, and why."""

    label: str
    block: Block
    shared: Block | None
    isolation: IsolatedBlock | None

    @property
    def origin(self) -> Literal["shared", "isolated"]:
        return "isolated" if self.isolation else "shared"

    @property
    def drift(self) -> Drift | None:
        """None for a shared block; as `IsolatedBlock.objects.with_drift()` says in SQL."""
        if self.isolation is None:
            return None
        if self.shared is None:
            return Drift.SHARED_GONE
        base, shared, isolated = self.isolation.base_value, self.shared.value, self.block.value
        if isolated == shared:
            return Drift.IN_SYNC
        if shared == base:
            return Drift.ISOLATED_CHANGED
        if isolated == base:
            return Drift.SHARED_CHANGED
        return Drift.DIVERGED


def effective_blocks(conversation: Conversation) -> list[EffectiveBlock]:
    """What this conversation reads, in prompt order: isolated blocks, else the shared ones.

    An isolated block stands where the shared one of its label would. One whose label the agent
    no longer has stays in force, after the others. Two queries.
    """
    return effective_blocks_of([conversation])[conversation.pk]


def effective_blocks_of(
    conversations: Iterable[Conversation], *, with_text: bool = True
) -> dict[str, list[EffectiveBlock]]:
    """`effective_blocks` for many conversations at once, by conversation id. Two queries.

    Without text, the texts stay in the database: enough to ask for versions, not for drift.
    """
    conversations = list(conversations)
    texts = () if with_text else ("block__value", "block__description")
    shared = AgentBlock.objects.filter(agent__in={c.agent_id for c in conversations})
    isolated = IsolatedBlock.objects.filter(conversation__in=[c.pk for c in conversations])
    if not with_text:
        isolated = isolated.defer("base_value")
    shared_by_agent: dict[str, list[Block]] = defaultdict(list)
    for link in shared.in_prompt_order().select_related("block").defer(*texts):
        shared_by_agent[link.agent_id].append(link.block)
    isolated_by_conversation: dict[str, list[IsolatedBlock]] = defaultdict(list)
    for isolation in isolated.in_order().select_related("block").defer(*texts):
        isolated_by_conversation[isolation.conversation_id].append(isolation)
    return {
        conversation.pk: stand_in(
            shared_by_agent[conversation.agent_id], isolated_by_conversation[conversation.pk]
        )
        for conversation in conversations
    }


def stand_in(shared: list[Block], isolations: list[IsolatedBlock]) -> list[EffectiveBlock]:
    """Put each isolated block in the place of the shared block of its label."""
    by_label = {isolation.label: isolation for isolation in isolations}
    blocks = []
    for block in shared:
        isolation = by_label.pop(block.label, None)
        read = isolation.block if isolation else block
        blocks.append(EffectiveBlock(block.label, read, block, isolation))
    gone = (EffectiveBlock(link.label, link.block, None, link) for link in by_label.values())
    return [*blocks, *gone]
