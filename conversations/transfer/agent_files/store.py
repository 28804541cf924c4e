"""Storing what an agent file says: new agents with their blocks, conversations and messages."""

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from ...domain.actor import Actor
from ...domain.batches import BATCH_SIZE
from ...domain.conversations.agents import check_agent
from ...domain.conversations.messages import insert_messages, text_message
from ...domain.memory.blocks import insert_blocks
from ...domain.memory.periods import begin_periods
from ...domain.memory.prompt import recompile_all
from ...domain.model_handles import check_model_handle
from ...models import (
    Agent,
    AgentBlock,
    Block,
    BlockRevision,
    Conversation,
    ConversationMessage,
    IsolatedBlock,
    Message,
    Organization,
)
from .model import Parcel, ParcelAgent, ParcelBlock, ParcelConversation


@dataclass(frozen=True)
class ImportOptions:
    """What the caller wants otherwise than the file says."""

    name: str | None = None
    suffix: str = ""
    model: str | None = None
    embedding: str | None = None
    with_messages: bool = True


@transaction.atomic
def import_parcel(
    organization: Organization, parcel: Parcel, *, by: Actor, options: ImportOptions
) -> list[Agent]:
    """Make the agents of a file, with new ids. All of it, or nothing.

    Models of providers that are not set up here are kept: they may be later. Runs are not in
    files, so messages and revisions come without theirs.
    """
    if options.model is not None:
        check_model_handle(options.model)
    ordinary = _store_blocks(organization, parcel, by=by)
    agents = []
    for described in parcel.agents:
        agent = _store_agent(organization, described, options, by=by)
        agents.append(agent)
        _attach(agent, [ordinary[block_id] for block_id in described.block_ids], by=by)
    threads = [
        (agent, thread)
        for agent, described in zip(agents, parcel.agents, strict=True)
        for thread in described.conversations
    ]
    stored = _store_conversations(threads, by=by)
    _isolate(threads, stored, parcel, ordinary, by=by)
    messages = _store_messages(threads, stored, parcel, options, by=by)
    _store_lineage(threads, stored, messages)
    ids = [conversation.pk for conversation in stored.values()]
    for first in range(0, len(ids), BATCH_SIZE):
        recompile_all(ids[first : first + BATCH_SIZE])
    return agents


def _store_blocks(organization: Organization, parcel: Parcel, *, by: Actor) -> dict[str, Block]:
    """Those that belong to no conversation."""
    isolated = {i.block_id for a in parcel.agents for c in a.conversations for i in c.isolations}
    blocks = {
        described.id: _new_block(organization.pk, described, by=by)
        for described in parcel.blocks.values()
        if described.id not in isolated
    }
    _insert(blocks, parcel, by=by)
    return blocks


def _new_block(organization_id: str, described: ParcelBlock, *, by: Actor, **fields) -> Block:
    return Block(
        organization_id=organization_id,
        created_by=by.user,
        last_updated_by=by.user,
        **described.fields,
        **fields,
    )


def _insert(
    blocks: dict[str, Block],
    parcel: Parcel,
    *,
    by: Actor,
    base_versions: dict[str, int] | None = None,
) -> None:
    """Insert blocks; each has the revisions of the file, or one for its import."""
    bases = base_versions or {}
    plain = [block_id for block_id in blocks if not parcel.blocks[block_id].revisions]
    insert_blocks(
        [blocks[block_id] for block_id in plain],
        by=by,
        reason="imported",
        base_versions=[bases.get(block_id) for block_id in plain],
    )
    told = {block_id: block for block_id, block in blocks.items() if block_id not in set(plain)}
    for block_id, block in told.items():
        block.version = len(parcel.blocks[block_id].revisions)
    Block.objects.bulk_create(told.values())
    revisions, times = [], []
    for block_id, block in told.items():
        for described in parcel.blocks[block_id].revisions:
            times.append(described["written_at"] or timezone.now())
            fields = {name: value for name, value in described.items() if name != "written_at"}
            revisions.append(
                BlockRevision(
                    block=block, written_by=None, conversation=block.conversation, **fields
                )
            )
    BlockRevision.objects.bulk_create(revisions)
    # The field says when a row was added, unless it is told otherwise afterwards.
    for revision, written_at in zip(revisions, times, strict=True):
        revision.written_at = written_at
    BlockRevision.objects.bulk_update(revisions, ["written_at"], batch_size=BATCH_SIZE)


def _store_agent(
    organization: Organization, described: ParcelAgent, options: ImportOptions, *, by: Actor
) -> Agent:
    fields = dict(described.fields)
    fields["name"] = f"{options.name or fields['name']}{options.suffix}"
    fields["model"] = options.model or fields["model"]
    fields["embedding"] = options.embedding or fields["embedding"]
    check_agent(fields)  # type: ignore[arg-type]
    return Agent.objects.create(
        organization=organization,
        created_by=by.user,
        last_updated_by=by.user,
        created_at=described.created_at or timezone.now(),
        tool_definitions=described.tool_definitions,
        **fields,
    )


def _attach(agent: Agent, blocks: list[Block], *, by: Actor) -> None:
    links = AgentBlock.objects.bulk_create(
        AgentBlock(agent=agent, block=block, label=block.label, position=position)
        for position, block in enumerate(blocks)
    )
    begin_periods(links, by=by, at=agent.created_at)


Threads = list[tuple[Agent, ParcelConversation]]


def _store_conversations(threads: Threads, *, by: Actor) -> dict[str, Conversation]:
    stored = {}
    for agent, thread in threads:
        fields = {name: value for name, value in thread.fields.items() if value is not None}
        stored[thread.id] = Conversation(
            organization_id=agent.organization_id,
            agent=agent,
            is_default=thread.is_default,
            created_by=by.user,
            last_updated_by=by.user,
            **{"created_at": agent.created_at, **fields},
        )
    Conversation.objects.bulk_create(stored.values())
    return stored


def _isolate(
    threads: Threads,
    stored: dict[str, Conversation],
    parcel: Parcel,
    ordinary: dict[str, Block],
    *,
    by: Actor,
) -> None:
    blocks: dict[str, Block] = {}
    bases: dict[str, int] = {}
    links: list[IsolatedBlock] = []
    for agent, thread in threads:
        for isolation in thread.isolations:
            described = parcel.blocks[isolation.block_id]
            block = _new_block(
                agent.organization_id, described, by=by, conversation=stored[thread.id]
            )
            source_id = isolation.source_block_id or ""
            source = ordinary.get(source_id)
            base_version = isolation.base_version
            if source is not None and not parcel.blocks[source_id].revisions:
                # The version that had this number is not in the file; 0 is none that there is.
                base_version = 1 if source.value == isolation.base_value else 0
            blocks[described.id], bases[described.id] = block, base_version
            links.append(
                IsolatedBlock(
                    conversation=stored[thread.id],
                    block=block,
                    label=block.label,
                    source_block=source,
                    base_value=isolation.base_value,
                    base_version=base_version,
                )
            )
    _insert(blocks, parcel, by=by, base_versions=bases)
    IsolatedBlock.objects.bulk_create(links)
    for link in links:
        begin_periods([link], by=by, at=link.conversation.created_at)


def _store_messages(
    threads: Threads,
    stored: dict[str, Conversation],
    parcel: Parcel,
    options: ImportOptions,
    *,
    by: Actor,
) -> dict[str, Message]:
    messages: dict[str, Message] = {}
    links: list[ConversationMessage] = []
    for _, thread in threads:
        conversation = stored[thread.id]
        ids = thread.message_ids if options.with_messages else []
        fresh = {
            each: Message(
                **{"created_at": conversation.created_at, **_given(parcel.messages[each])}
            )
            for each in ids
            if each not in messages
        }
        insert_messages(conversation, list(fresh.values()), by=by)
        messages |= fresh
        held = [messages[each] for each in ids]
        shown = [each in thread.in_context for each in ids]
        if not held or held[0].role != Message.Role.SYSTEM:
            system = text_message(Message.Role.SYSTEM, "", created_at=conversation.created_at)
            insert_messages(conversation, [system], by=by)
            held, shown = [system, *held], [True, *shown]
        shown[0] = True  # It is compiled anew, and always shown.
        links += (
            ConversationMessage(
                conversation=conversation, message=message, position=position, in_context=is_shown
            )
            for position, (message, is_shown) in enumerate(zip(held, shown, strict=True))
        )
    ConversationMessage.objects.bulk_create(links, batch_size=BATCH_SIZE)
    return messages


def _given(fields: dict) -> dict:
    return {name: value for name, value in fields.items() if value is not None}


def _store_lineage(
    threads: Threads, stored: dict[str, Conversation], messages: dict[str, Message]
) -> None:
    forks = []
    for _, thread in threads:
        if thread.forked_from is not None:
            fork = stored[thread.id]
            fork.forked_from = stored[thread.forked_from]
            fork.forked_at_message = messages.get(thread.forked_at_message or "")
            forks.append(fork)
    Conversation.objects.bulk_update(
        forks, ["forked_from", "forked_at_message"], batch_size=BATCH_SIZE
    )
