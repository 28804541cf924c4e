"""What a conversation reads: the one answer that everything else asks for."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar

from django.db.models import QuerySet

from ..models import AgentBlock, Block, Conversation, IsolatedBlock
from ..models.conversations import Drift


class Labelled(Protocol):
    @property
    def label(self) -> str: ...


S = TypeVar("S", bound=Labelled)
I = TypeVar("I", bound=Labelled)  # noqa: E741


@dataclass(frozen=True)
class EffectiveBlock:
    """What one label says in one conversation, and why."""

    label: str
    block: Block
    shared: Block | None
    isolation: IsolatedBlock | None

    @property
    def block_id(self) -> str:
        return self.block.pk

    @property
    def version(self) -> int:
        return self.block.version

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
    conversations: Iterable[Conversation],
) -> dict[str, list[EffectiveBlock]]:
    """`effective_blocks` for many conversations at once, by conversation id. Two queries."""
    conversations = list(conversations)
    shared_links, isolations = _links(conversations)
    shared: dict[str, list[AgentBlock]] = defaultdict(list)
    for link in shared_links.select_related("block"):
        shared[link.agent_id].append(link)
    isolated: dict[str, list[IsolatedBlock]] = defaultdict(list)
    for isolation in isolations.select_related("block"):
        isolated[isolation.conversation_id].append(isolation)
    return {
        c.pk: [
            EffectiveBlock(read.label, read.block, common.block if common else None, own)
            for read, common, own in stand_in(shared[c.agent_id], isolated[c.pk])
        ]
        for c in conversations
    }


class BlockVersion(NamedTuple):
    """An effective block without its text: enough to ask whether a prompt is stale."""

    label: str
    block_id: str
    version: int
    isolation_id: int | None = None


def block_versions_of(conversations: Iterable[Conversation]) -> dict[str, list[BlockVersion]]:
    """As `effective_blocks_of`, in prompt order, while the texts stay in the database."""
    conversations = list(conversations)
    shared_links, isolations = _links(conversations)
    columns = ("label", "block_id", "block__version")
    shared: dict[str, list[BlockVersion]] = defaultdict(list)
    for agent_id, *columns_read in shared_links.values_list("agent_id", *columns):
        shared[agent_id].append(BlockVersion(*columns_read))
    isolated: dict[str, list[BlockVersion]] = defaultdict(list)
    for conversation_id, *columns_read in isolations.values_list("conversation_id", *columns, "id"):
        isolated[conversation_id].append(BlockVersion(*columns_read))
    return {
        c.pk: [read for read, _, _ in stand_in(shared[c.agent_id], isolated[c.pk])]
        for c in conversations
    }


def _links(
    conversations: list[Conversation],
) -> tuple[QuerySet[AgentBlock], QuerySet[IsolatedBlock]]:
    """What the agents of these conversations share, and what the conversations isolated."""
    shared = AgentBlock.objects.filter(agent__in={c.agent_id for c in conversations})
    isolated = IsolatedBlock.objects.filter(conversation__in=[c.pk for c in conversations])
    return shared.in_prompt_order(), isolated.in_order()


def stand_in(shared: list[S], isolated: list[I]) -> list[tuple[S | I, S | None, I | None]]:
    """What is read, in prompt order: for each label the isolated one if there is one, else the
    shared one; and beside it both. Isolated ones whose shared block is gone come last."""
    by_label = {own.label: own for own in isolated}
    read: list[tuple[S | I, S | None, I | None]] = []
    for common in shared:
        own = by_label.pop(common.label, None)
        read.append((own or common, common, own))
    return [*read, *((own, None, own) for own in by_label.values())]
