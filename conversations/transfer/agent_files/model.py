"""What an agent file says, whichever shape it is of, before any of it is stored.

Ids are those of the file, where they mean something only within it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ...domain.conversations.agents import AgentFields
from ...domain.memory.blocks import BlockFields


@dataclass
class ParcelBlock:
    """A block with its texts, oldest first; the last one is what it says now."""

    id: str
    path: str
    fields: BlockFields
    revisions: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class ParcelIsolation:
    block_id: str
    source_block_id: str | None
    base_value: str
    base_version: int


@dataclass
class ParcelConversation:
    id: str
    is_default: bool
    fields: dict[str, Any]
    message_ids: list[str]
    in_context: set[str]
    isolations: list[ParcelIsolation] = field(default_factory=list)
    forked_from: str | None = None
    forked_at_message: str | None = None


@dataclass
class ParcelAgent:
    id: str
    fields: AgentFields
    block_ids: list[str]
    conversations: list[ParcelConversation]
    tool_definitions: list[dict[str, Any]]
    created_at: datetime | None = None


@dataclass
class Parcel:
    agents: list[ParcelAgent]
    blocks: dict[str, ParcelBlock]
    messages: dict[str, dict[str, Any]]
    remarks: list[str]


def reading_order(ids: Iterable[str], context: list[str]) -> list[str]:
    """All messages in the order they came, but those in context in the order the model reads.

    The messages in context share out the places they have among the others.
    """
    shown = set(context)
    queue = iter(context)
    return [next(queue) if each in shown else each for each in ids]
