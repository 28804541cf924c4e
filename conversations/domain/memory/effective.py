"""What a conversation reads. Prompt, tools, API, console and export all ask here."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar, cast

from django.db import connection

from ...ids import PrefixedUUIDField
from ...models import Agent, AgentBlock, Block, Conversation, IsolatedBlock
from ...models.drift import Drift, drift_of


class Labelled(Protocol):
    """Anything that is read as one label."""

    @property
    def label(self) -> str:
        """The label."""


Shared = TypeVar("Shared", bound=Labelled)
Isolated = TypeVar("Isolated", bound=Labelled)


@dataclass(frozen=True)
class EffectiveBlock:
    """The block that one conversation reads as one label, and the layers it comes from."""

    label: str
    block: Block
    shared: Block | None
    isolation: IsolatedBlock | None

    @property
    def block_id(self) -> str:
        """The id of the block in force."""
        return self.block.pk

    @property
    def version(self) -> int:
        """The version of the block in force."""
        return self.block.version

    @property
    def origin(self) -> Literal["shared", "isolated"]:
        """The layer that the block in force comes from."""
        return "isolated" if self.isolation else "shared"

    @property
    def drift(self) -> Drift | None:
        """How the isolated block differs from its base and the shared one; None without one."""
        if self.isolation is None:
            return None
        return drift_of(
            base=self.isolation.base_value,
            shared=self.shared.value if self.shared else None,
            isolated=self.block.value,
        )


def effective_blocks(conversation: Conversation) -> list[EffectiveBlock]:
    """Return what this conversation reads, in prompt order: per label the nearest layer.

    An isolated block takes the place of the shared one. If the agent has lost the label, it stays
    in force, after the others. Two queries.
    """
    return effective_blocks_of([conversation])[conversation.pk]


def find_effective(conversation: Conversation, label: str) -> EffectiveBlock | None:
    """Return what this conversation reads as one label."""
    return next((e for e in effective_blocks(conversation) if e.label == label), None)


def effective_blocks_of(conversations: Iterable[Conversation]) -> dict[str, list[EffectiveBlock]]:
    """Return `effective_blocks` of many conversations, by conversation id. Two queries."""
    conversations = list(conversations)
    links = AgentBlock.objects.filter(agent__in={c.agent_id for c in conversations})
    shared: dict[str, list[AgentBlock]] = defaultdict(list)
    for link in links.in_prompt_order().select_related("block"):
        shared[link.agent_id].append(link)
    isolations = IsolatedBlock.objects.filter(conversation__in=[c.pk for c in conversations])
    isolated: dict[str, list[IsolatedBlock]] = defaultdict(list)
    for isolation in isolations.in_order().select_related("block"):
        isolated[isolation.conversation_id].append(isolation)
    return {
        c.pk: [
            EffectiveBlock(
                label=read.effective.label,
                block=read.effective.block,
                shared=read.shared.block if read.shared else None,
                isolation=read.isolated,
            )
            for read in overlay(shared[c.agent_id], isolated[c.pk])
        ]
        for c in conversations
    }


class BlockVersion(NamedTuple):
    """An effective block without its text, which is enough to tell whether a prompt is stale."""

    label: str
    block_id: str
    version: int
    isolation_id: int | None = None


AGENT_ID, BLOCK_ID, CONVERSATION_ID = (
    cast(PrefixedUUIDField, model._meta.pk) for model in (Agent, Block, Conversation)
)

# Every response about conversations reads versions. As one statement this costs a fifth of the
# ORM's two query sets, which would take nearly half of the time of such a response.
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
    """Return `effective_blocks_of` without reading the texts. One query."""
    conversations = list(conversations)
    if not conversations:
        return {}
    agents = {AGENT_ID.get_db_prep_value(c.agent_id, connection): c.agent_id for c in conversations}
    owners = {CONVERSATION_ID.get_db_prep_value(c.pk, connection): c.pk for c in conversations}
    statement = VERSIONS.format(
        agents=", ".join(["%s"] * len(agents)), conversations=", ".join(["%s"] * len(owners))
    )
    readers = agents | owners
    versions: dict[str, list[BlockVersion]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(statement, [*readers])
        for reader, _, _, label, block, version, isolation_id in cursor:
            block_id = BLOCK_ID.from_cursor(block)
            found = BlockVersion(label, block_id, version, isolation_id or None)
            versions[readers[reader]].append(found)
    return {
        c.pk: [read.effective for read in overlay(versions[c.agent_id], versions[c.pk])]
        for c in conversations
    }


class Overlay(NamedTuple, Generic[Shared, Isolated]):
    """What a conversation reads as one label, and what each layer has for it."""

    effective: Shared | Isolated
    shared: Shared | None
    isolated: Isolated | None


def overlay(
    shared: Iterable[Shared], isolated: Iterable[Isolated]
) -> list[Overlay[Shared, Isolated]]:
    """Return what is read, in prompt order: per label the isolated one, else the shared one.

    Isolated ones whose label the agent has lost come last.
    """
    by_label = {each.label: each for each in shared}
    overrides = {each.label: each for each in isolated}
    effective: dict[str, Shared | Isolated] = {**by_label, **overrides}
    return [
        Overlay(each, by_label.get(label), overrides.get(label))
        for label, each in effective.items()
    ]
