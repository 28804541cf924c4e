"""Store what an agent file contains: new agents with blocks, conversations and messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from ...domain.actor import Actor
from ...domain.audit import record
from ...domain.batches import BATCH_SIZE
from ...domain.conversations.agents import check_agent
from ...domain.conversations.messages import insert_messages, text_message
from ...domain.memory.blocks import check_memory_of, insert_blocks, insert_revisions
from ...domain.memory.periods import begin_periods
from ...domain.memory.prompt import recompile_all
from ...domain.memory.writes import memory_write
from ...domain.model_handles import check_model_handle
from ...domain.quotas import check_conversations
from ...domain.tools.attached import attach_tools
from ...domain.tools.catalog import ALL_BUILT_IN, named_tools, update_tool
from ...domain.tools.variables import replace_variables
from ...models import (
    Agent,
    AgentBlock,
    AuditAction,
    Block,
    BlockRevision,
    Conversation,
    ConversationMessage,
    IsolatedBlock,
    Message,
    Organization,
    Tool,
)
from ...signals import conversation_created, send_on_commit
from .folders import attach_folders, store_folders
from .model import FileBlock, FileConversation
from .parse import AgentFile, ImportedAgent

Pairs = list[tuple[FileConversation, Conversation]]


@dataclass(frozen=True)
class ImportOptions:
    """What the caller wants in place of what the file says.

    `variables` are environment variables of the tools of every agent. `override_tools` replaces
    the organization's custom tools with those of the file that have the same name.
    """

    name: str | None = None
    suffix: str = ""
    model: str | None = None
    embedding: str | None = None
    with_messages: bool = True
    override_tools: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)


@memory_write
def import_agent_file(
    organization: Organization, file: AgentFile, *, by: Actor, options: ImportOptions
) -> list[Agent]:
    """Create the agents of a file, with new ids: all of them or none.

    A model of a provider that is not configured here is kept: it may be later. Files contain no
    runs, so messages and revisions are stored without one.
    """
    if options.model is not None:
        check_model_handle(options.model)
    shared = _store_shared_blocks(organization, file, by=by)
    tools = _store_tools(organization, file, options, by=by)
    folders = store_folders(organization, file, by=by)
    agents = []
    for imported in file.agents:
        agent = _store_agent(organization, imported, options, by=by)
        agents.append(agent)
        _attach(agent, [shared[block_id] for block_id in imported.block_ids], by=by)
        attach_tools(agent, [tools[tool.name] for tool in imported.tools])
        replace_variables(agent, {**imported.variables, **options.variables})
        agent.save(update_fields=["tool_rules"])
        attach_folders(agent, imported, folders, by=by)
    pairs = _store_conversations(agents, file, by=by)
    _store_isolated_blocks(pairs, file, shared, by=by)
    _store_forks(pairs, _store_messages(pairs, file, options, by=by))
    ids = [row.pk for _, row in pairs]
    for first in range(0, len(ids), BATCH_SIZE):
        recompile_all(ids[first : first + BATCH_SIZE])
    for agent in agents:
        record(AuditAction.IMPORTED, by=by, organization=organization, about=agent)
    return agents


def _store_shared_blocks(
    organization: Organization, file: AgentFile, *, by: Actor
) -> dict[str, Block]:
    isolated = {i.block_id for a in file.agents for c in a.conversations for i in c.isolated_blocks}
    blocks = {
        block_id: _new_block(organization.pk, block, by=by)
        for block_id, block in file.blocks.items()
        if block_id not in isolated
    }
    _insert_blocks(blocks, file, by=by)
    return blocks


def _new_block(organization_id: str, block: FileBlock, *, by: Actor, **fields: Any) -> Block:
    return Block(
        organization_id=organization_id,
        created_by=by.member,
        last_updated_by=by.member,
        **block.columns(Block),
        **fields,
    )


def _insert_blocks(
    blocks: dict[str, Block],
    file: AgentFile,
    *,
    by: Actor,
    base_versions: dict[str, int] | None = None,
) -> None:
    """Insert blocks with the revisions of the file, or with one revision for the import."""
    bases = base_versions or {}
    with_history = {
        block_id: block for block_id, block in blocks.items() if file.revisions.get(block_id)
    }
    plain = [block_id for block_id in blocks if block_id not in with_history]
    insert_blocks(
        [blocks[key] for key in plain],
        by=by,
        reason="imported",
        base_versions=[bases.get(key) for key in plain],
    )
    revisions = []
    for block_id, block in with_history.items():
        block.version = len(file.revisions[block_id])
        for revision in file.revisions[block_id]:
            fields = revision.columns(BlockRevision)
            revisions.append(BlockRevision(block=block, conversation=block.conversation, **fields))
    check_memory_of(list(with_history.values()), by=by)
    times = [row.written_at for row in revisions]
    Block.objects.bulk_create(with_history.values())
    insert_revisions(revisions)
    # `auto_now_add` sets the time of insertion, so the file's time needs an update.
    for row, written_at in zip(revisions, times, strict=True):
        row.written_at = written_at or row.written_at
    BlockRevision.objects.bulk_update(revisions, ["written_at"], batch_size=BATCH_SIZE)


def _store_agent(
    organization: Organization, imported: ImportedAgent, options: ImportOptions, *, by: Actor
) -> Agent:
    fields = imported.fields.copy()
    fields["name"] = f"{options.name or fields['name']}{options.suffix}"
    fields["model"] = options.model or fields["model"]
    fields["embedding"] = options.embedding or fields["embedding"]
    check_agent(fields)
    return Agent.objects.create(
        organization=organization,
        created_by=by.member,
        last_updated_by=by.member,
        created_at=imported.created_at or timezone.now(),
        **fields,
    )


def _store_tools(
    organization: Organization, file: AgentFile, options: ImportOptions, *, by: Actor
) -> dict[str, Tool]:
    """Return the tools of the file by name: the organization's, or new ones."""
    given = {tool.name: tool for agent in file.agents for tool in agent.tools}
    built_in = [name for name in given if name in ALL_BUILT_IN]
    tools = {tool.name: tool for tool in named_tools(organization, built_in)}
    stored = Tool.objects.in_organization(organization).filter(name__in=given)
    tools |= {tool.name: tool for tool in stored}
    for name, tool in given.items():
        if name not in tools:
            tools[name] = Tool.objects.create(
                organization=organization,
                created_by=by.member,
                last_updated_by=by.member,
                **tool.columns(Tool),
            )
        elif options.override_tools and tools[name].tool_type == tool.tool_type == Tool.CUSTOM:
            update_tool(tools[name], by=by, **tool.columns(Tool))
    return tools


def _attach(agent: Agent, blocks: list[Block], *, by: Actor) -> None:
    links = AgentBlock.objects.bulk_create(
        AgentBlock(agent=agent, block=block, label=block.label, position=position)
        for position, block in enumerate(blocks)
    )
    begin_periods(links, by=by, at=agent.created_at)


def _store_conversations(agents: list[Agent], file: AgentFile, *, by: Actor) -> Pairs:
    pairs = []
    for agent, imported in zip(agents, file.agents, strict=True):
        for conversation in imported.conversations:
            given = {k: v for k, v in conversation.columns(Conversation).items() if v is not None}
            row = Conversation(
                organization_id=agent.organization_id,
                agent=agent,
                created_by=by.member,
                last_updated_by=by.member,
                **{"created_at": agent.created_at, **given},
            )
            pairs.append((conversation, row))
    if agents:
        check_conversations(agents[0].organization_id, by=by, new=len(pairs))
    for row in Conversation.objects.bulk_create(row for _, row in pairs):
        send_on_commit(conversation_created, Conversation, conversation=row)
    return pairs


def _store_isolated_blocks(
    pairs: Pairs, file: AgentFile, shared: dict[str, Block], *, by: Actor
) -> None:
    blocks: dict[str, Block] = {}
    bases: dict[str, int] = {}
    links: list[IsolatedBlock] = []
    for conversation, row in pairs:
        for isolation in conversation.isolated_blocks:
            block = _new_block(
                row.organization_id, file.blocks[isolation.block_id], by=by, conversation=row
            )
            source_id = isolation.source_block_id or ""
            source = shared.get(source_id)
            base_version = isolation.base_version
            if source is not None and not file.revisions.get(source_id):
                # The file does not have the version of this number. No version has the number 0.
                base_version = 1 if source.value == isolation.base_value else 0
            blocks[isolation.block_id], bases[isolation.block_id] = block, base_version
            links.append(
                IsolatedBlock(
                    conversation=row,
                    block=block,
                    label=block.label,
                    source_block=source,
                    base_value=isolation.base_value,
                    base_version=base_version,
                )
            )
    _insert_blocks(blocks, file, by=by, base_versions=bases)
    IsolatedBlock.objects.bulk_create(links)
    for link in links:
        begin_periods([link], by=by, at=link.conversation.created_at)


def _store_messages(
    pairs: Pairs, file: AgentFile, options: ImportOptions, *, by: Actor
) -> dict[str, Message]:
    messages: dict[str, Message] = {}
    links: list[ConversationMessage] = []
    for conversation, row in pairs:
        ids = conversation.message_ids if options.with_messages else []
        added = {
            each: Message(**{"created_at": row.created_at, **file.messages[each].columns(Message)})
            for each in ids
            if each not in messages
        }
        insert_messages(row, list(added.values()), by=by)
        messages |= added
        context = set(conversation.in_context_message_ids)
        rows = [(messages[each], each in context) for each in ids]
        if not rows or rows[0][0].role != Message.Role.SYSTEM:
            system = text_message(Message.Role.SYSTEM, "", created_at=row.created_at)
            insert_messages(row, [system], by=by)
            rows.insert(0, (system, True))
        links += (
            ConversationMessage(
                conversation=row,
                message=message,
                position=position,
                # The system message is recompiled and always in context.
                in_context=in_context or position == 0,
            )
            for position, (message, in_context) in enumerate(rows)
        )
    ConversationMessage.objects.bulk_create(links, batch_size=BATCH_SIZE)
    return messages


def _store_forks(pairs: Pairs, messages: dict[str, Message]) -> None:
    rows = {conversation.id: row for conversation, row in pairs}
    forks = []
    for conversation, fork in pairs:
        origin = conversation.forked_from
        if origin is not None and origin.conversation_id is not None:
            fork.forked_from = rows[origin.conversation_id]
            fork.forked_at_message = messages.get(origin.message_id or "")
            forks.append(fork)
    Conversation.objects.bulk_update(
        forks, ["forked_from", "forked_at_message"], batch_size=BATCH_SIZE
    )
