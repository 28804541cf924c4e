"""The prompt: the system message compiled from memory."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict
from xml.sax.saxutils import quoteattr
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from ...models import Agent, Conversation, ConversationMessage, Message, Run
from ...models.conversations import ConversationQuerySet
from ..batches import in_batches
from ..errors import Conflict
from ..folders.directories import MAX_CLOSED_FILES, Directory, directories_of, limits_of
from .effective import (
    BlockVersion,
    EffectiveBlock,
    block_versions_of,
    effective_blocks,
    effective_blocks_of,
)
from .sections import Neutralizer, label_section, section

DEFAULT_SYSTEM_PROMPT = """\
<base_instructions>
You are an assistant with a memory that outlives this conversation. The memory blocks below are \
what you know; keep them true and short. When you learn something that will matter later, write \
it to the block it belongs to with your memory tools, in the same turn. Never claim to remember \
what is neither in a block nor in this conversation; search first.
</base_instructions>"""

INTRODUCTION = "You read these blocks of your memory at every turn:"


@dataclass(frozen=True)
class Prompt:
    """A system message in its parts."""

    system: str
    memory: str
    metadata: str
    directories: str = ""

    @property
    def text(self) -> str:
        """The whole system message."""
        parts = (self.system, self.memory, self.directories, self.metadata)
        return "\n\n".join(part for part in parts if part)


def compile_prompt(
    conversation: Conversation,
    blocks: list[EffectiveBlock],
    *,
    compiled_at: datetime,
    message_count: int,
    directories: Sequence[Directory] = (),
) -> Prompt:
    """Compile the system message of a conversation that reads `blocks`.

    `message_count` counts the messages after the system message; `directories` are the folders of
    the agent. Tags and order are those of V1's prompts; the wording is this project's.
    """
    agent = conversation.agent
    moment = compiled_at.astimezone(ZoneInfo(agent.timezone))
    name = "default" if conversation.is_default else conversation.pk
    memory = ""
    neutralize = Neutralizer(agent.system, [effective.label for effective in blocks])
    if blocks:
        sections = "\n\n".join(_block_section(effective, neutralize) for effective in blocks)
        memory = section("memory_blocks", f"{INTRODUCTION}\n\n{sections}\n")
    recall = f"{message_count} previous messages between you and the user"
    metadata = section(
        "memory_metadata",
        f"- AGENT_ID: {agent.pk}\n"
        f"- CONVERSATION_ID: {name}\n"
        f"- System prompt last recompiled: {moment:%Y-%m-%d %I:%M:%S %p %Z%z}\n"
        f"- {recall} are stored in recall memory",
    )
    files = _directories_section(agent, directories, neutralize) if directories else ""
    return Prompt(agent.system, memory, metadata, files)


def _block_section(effective: EffectiveBlock, neutralize: Neutralizer) -> str:
    block = effective.block
    read_only = "- read_only=true\n" if block.read_only else ""
    metadata = f"{read_only}- chars_current={len(block.value)}\n- chars_limit={block.limit}"
    return label_section(
        block.label,
        f"{section('description', neutralize(block.description or ''))}\n"
        f"{section('metadata', metadata)}\n"
        f"{section('value', neutralize(block.value))}",
    )


def _directories_section(
    agent: Agent, directories: Sequence[Directory], neutralize: Neutralizer
) -> str:
    open_files = sum(file.text is not None for each in directories for file in each.files)
    limits = (
        f"- current_files_open={open_files}\n- max_files_open={limits_of(agent).files}"  # as in V1
    )
    sections = [_directory_section(directory, neutralize) for directory in directories]
    return section("directories", "\n".join([section("file_limits", limits), *sections]))


def _directory_section(directory: Directory, neutralize: Neutralizer) -> str:
    parts = [
        section(name, neutralize(text))
        for name, text in (
            ("description", directory.description),
            ("instructions", directory.instructions),
        )
        if text
    ]
    closed = 0
    for file in directory.files:
        name = quoteattr(file.name)
        if file.text is not None:
            value = section("value", neutralize(file.text))
            parts.append(f'<file status="open" name={name}>\n{value}\n</file>')
        elif (closed := closed + 1) <= MAX_CLOSED_FILES:
            parts.append(f'<file status="closed" name={name}>\n</file>')
    if closed > MAX_CLOSED_FILES:
        parts.append(f"{closed - MAX_CLOSED_FILES} more closed files")
    opening = f"<directory name={quoteattr(directory.name)}>"
    return "\n".join([opening, *parts, "</directory>"])


class Fingerprint(TypedDict):
    """What a system message is compiled from, small enough to store with the conversation.

    `system`: the first 16 hexadecimal digits of the SHA-256 of the system prompt. `blocks`: label,
    block id and version of each, in prompt order. `files`: the number of changes of the agent's
    files, if it ever had a folder.
    """

    system: str
    blocks: list[list[Any]]
    files: NotRequired[int]


def fingerprint(agent: Agent, blocks: Sequence[EffectiveBlock | BlockVersion]) -> Fingerprint:
    """Return the fingerprint of a prompt with these blocks, as `Conversation.compiled_from`."""
    digest = hashlib.sha256(agent.system.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    found: Fingerprint = {
        "system": digest,
        "blocks": [[block.label, block.block_id, block.version] for block in blocks],
    }
    if agent.files_version:
        found["files"] = agent.files_version
    return found


class BlockSeen(TypedDict):
    """A block that a model was shown in one step."""

    label: str
    block_id: str
    version: int
    origin: Literal["shared", "isolated"]


def blocks_seen(compiled_from: Fingerprint, isolated_ids: Collection[str]) -> list[BlockSeen]:
    """Return the blocks in a prompt with this fingerprint; `isolated_ids` are block ids."""
    return [
        {
            "label": label,
            "block_id": block_id,
            "version": version,
            "origin": "isolated" if block_id in isolated_ids else "shared",
        }
        for label, block_id, version in compiled_from.get("blocks", [])
    ]


def is_stale(conversation: Conversation, blocks: Sequence[EffectiveBlock | BlockVersion]) -> bool:
    """Return whether the stored system message was compiled from something else."""
    return bool(conversation.compiled_from != fingerprint(conversation.agent, blocks))


def stale_conversations(conversations: ConversationQuerySet) -> Iterator[list[Conversation]]:
    """Yield the stale ones of `conversations` in batches. Reads versions, not texts."""
    for batch in in_batches(conversations.select_related("agent")):
        blocks = block_versions_of(batch)
        if stale := [c for c in batch if is_stale(c, blocks[c.pk])]:
            yield stale


def recompile(conversation: Conversation, *, run: Run | None = None) -> str:
    """Compile and store the system message of a conversation, and return its text.

    The messages that began `run` do not count as previous ones.
    """
    texts = recompile_all([conversation.pk], run=run)
    if conversation.pk not in texts:
        raise Conflict(f"Conversation '{conversation.pk}' has no system message to recompile")
    return texts[conversation.pk]


@transaction.atomic(savepoint=False)
def recompile_all(conversation_ids: Iterable[str], *, run: Run | None = None) -> dict[str, str]:
    """Recompile many conversations in a fixed number of queries, and return their texts by id.

    One without a system message, as in damaged data, is skipped.
    """
    # Edits of two blocks may recompile the same conversation: with the lock, the second one waits
    # here and then reads the first one's text.
    rows = Conversation.objects.filter(pk__in=list(conversation_ids))
    locked = rows.select_for_update(no_key=True, of=("self",)).select_related("agent")
    conversations = {conversation.pk: conversation for conversation in locked.order_by("id")}
    links = ConversationMessage.objects.filter(conversation__in=conversations, position=0)
    messages = {link.conversation_id: link.message for link in links.select_related("message")}
    if not messages:
        return {}
    now = timezone.now()
    compiled = [conversations[pk] for pk in messages]
    blocks = effective_blocks_of(compiled)
    directories = directories_of(conversation.agent for conversation in compiled)
    previous = ConversationMessage.objects.filter(conversation__in=compiled, position__gt=0)
    if run is not None:
        previous = previous.exclude(message__run=run)
    counts = dict(
        previous.values("conversation")
        .annotate(count=Count("id"))
        .order_by()
        .values_list("conversation", "count")
    )
    for conversation in compiled:
        prompt = compile_prompt(
            conversation,
            blocks[conversation.pk],
            compiled_at=now,
            message_count=counts.get(conversation.pk, 0),
            directories=directories[conversation.agent_id],
        )
        message = messages[conversation.pk]
        message.content = [{"type": "text", "text": prompt.text}]
        message.updated_at = now
        conversation.compiled_from = fingerprint(conversation.agent, blocks[conversation.pk])
        conversation.compiled_at = now
    Message.objects.bulk_update(messages.values(), ["content", "updated_at"], batch_size=500)
    Conversation.objects.bulk_update(compiled, ["compiled_from", "compiled_at"], batch_size=500)
    return {pk: message.text for pk, message in messages.items()}


def preview_prompt(
    conversation: Conversation, blocks: list[EffectiveBlock] | None = None
) -> Prompt:
    """Return what `recompile` would store now; `blocks` saves reading them. Writes nothing."""
    blocks = effective_blocks(conversation) if blocks is None else blocks
    count = conversation.message_links.filter(position__gt=0).count()
    return compile_prompt(
        conversation,
        blocks,
        compiled_at=timezone.now(),
        message_count=count,
        directories=directories_of([conversation.agent])[conversation.agent_id],
    )
