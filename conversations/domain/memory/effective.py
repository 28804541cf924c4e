"""What a conversation reads: the one answer that everything else asks for."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar, cast

from django.db import connection
from django.db.models import QuerySet

from ...ids import PrefixedUUIDField
from ...models import Agent, AgentBlock, Block, Conversation, IsolatedBlock
from ...models.drift import Drift, drift_of


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
        return drift_of(
            base=self.isolation.base_value,
            shared=self.shared.value if self.shared else None,
            isolated=self.block.value,
        )


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
            for read, common, own in overlay_isolated(shared[c.agent_id], isolated[c.pk])
        ]
        for c in conversations
    }


class BlockVersion(NamedTuple):
    """An effective block without its text: enough to ask whether a prompt is stale."""

    label: str
    block_id: str
    version: int
    isolation_id: int | None = None


AGENT_ID, BLOCK_ID, CONVERSATION_ID = (
    cast(PrefixedUUIDField, model._meta.pk) for model in (Agent, Block, Conversation)
)

# Every answer about conversations asks for versions. As one statement this costs a fifth of what
# the ORM takes for two querysets, which is nearly half of the time of such an answer.
VERSIONS = """
    SELECT link.agent_id, link.position, link.id, link.label, block.id, block.version, 0
    FROM conversations_agentblock AS link
    JOIN conversations_block AS block ON block.id = link.block_id
    WHERE link.agent_id IN ({agents})
    UNION ALL
    SELECT link.conversation_id, 0, link.id, link.label, block.id, block.version, link.id
    FROM conversations_isolatedblock AS link
    JOIN conversations_block AS block ON block.id = link.block_id
    WHERE link.conversation_id IN ({conversations})
    ORDER BY 2, 3
"""


def block_versions_of(conversations: Iterable[Conversation]) -> dict[str, list[BlockVersion]]:
    """As `effective_blocks_of`, in prompt order, while the texts stay in the database."""
    conversations = list(conversations)
    if not conversations:
        return {}
    agents = {AGENT_ID.get_db_prep_value(c.agent_id, connection): c.agent_id for c in conversations}
    threads = {CONVERSATION_ID.get_db_prep_value(c.pk, connection): c.pk for c in conversations}
    statement = VERSIONS.format(
        agents=", ".join(["%s"] * len(agents)), conversations=", ".join(["%s"] * len(threads))
    )
    readers = agents | threads
    versions: dict[str, list[BlockVersion]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(statement, [*readers])
        for reader, _, _, label, block, version, isolation_id in cursor:
            block_id = BLOCK_ID.from_cursor(block)
            found = BlockVersion(label, block_id, version, isolation_id or None)
            versions[readers[reader]].append(found)
    return {
        c.pk: [read for read, _, _ in overlay_isolated(versions[c.agent_id], versions[c.pk])]
        for c in conversations
    }


def _links(
    conversations: list[Conversation],
) -> tuple[QuerySet[AgentBlock], QuerySet[IsolatedBlock]]:
    """What the agents of these conversations share, and what the conversations isolated."""
    shared = AgentBlock.objects.filter(agent__in={c.agent_id for c in conversations})
    isolated = IsolatedBlock.objects.filter(conversation__in=[c.pk for c in conversations])
    return shared.in_prompt_order(), isolated.in_order()


def overlay_isolated(shared: list[S], isolated: list[I]) -> list[tuple[S | I, S | None, I | None]]:
    """What is read, in prompt order: for each label the isolated one if there is one, else the
    shared one; and beside it both. Isolated ones whose shared block is gone come last."""
    by_label = {own.label: own for own in isolated}
    read: list[tuple[S | I, S | None, I | None]] = []
    for common in shared:
        own = by_label.pop(common.label, None)
        read.append((own or common, common, own))
    return [*read, *((own, None, own) for own in by_label.values())]
