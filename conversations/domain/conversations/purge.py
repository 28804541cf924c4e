"""Removing for good what was deleted long enough ago."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from ...models import Agent, Block, BlockRevision, Conversation, ConversationMessage, Message, Run
from ..batches import BATCH_SIZE

KINDS = [Agent, Conversation, Message, Run, Block, BlockRevision]

# An agent takes its default conversation along, with all messages in it.
AGENT_BATCH_SIZE = 20


def purge(deleted_before: datetime) -> Iterator[Counter]:
    """Remove what was deleted before then; answers, batch by batch, how many rows of each kind.

    Every batch is a transaction, so an interrupted purge is continued by the next one. Shared
    blocks of a deleted agent stay, and so do messages that a remaining conversation, a fork,
    still shows.
    """
    # A default conversation goes together with its agent: one that is restored meanwhile has it.
    conversations = _conversations(deleted_before).filter(is_default=False)
    yield from _delete_in_batches(conversations, BATCH_SIZE)
    yield from _delete_in_batches(_agents(deleted_before), AGENT_BATCH_SIZE)
    yield from _delete_in_batches(Block.objects.filter(deleted_at__lt=deleted_before), BATCH_SIZE)
    # Last, because only now no deleted conversation holds them any more.
    held = ConversationMessage.objects.filter(message=OuterRef("pk"))
    yield from _delete_in_batches(Message.objects.filter(~Exists(held)), BATCH_SIZE)


def count_purgeable(deleted_before: datetime) -> Counter:
    """How many rows of each kind `purge` would remove. Writes nothing."""
    conversations = _conversations(deleted_before)
    remaining = ConversationMessage.objects.filter(message=OuterRef("pk")).exclude(
        conversation__in=conversations
    )
    blocks = Block.objects.filter(
        Q(deleted_at__lt=deleted_before) | Q(conversation__in=conversations)
    )
    return Counter(
        {
            Agent: _agents(deleted_before).count(),
            Conversation: conversations.count(),
            Message: Message.objects.filter(~Exists(remaining)).count(),
            Run: Run.objects.filter(conversation__in=conversations).count(),
            Block: blocks.count(),
            BlockRevision: BlockRevision.objects.filter(block__in=blocks).count(),
        }
    )


def _agents(deleted_before: datetime) -> QuerySet[Agent]:
    return Agent.objects.filter(deleted_at__lt=deleted_before)


def _conversations(deleted_before: datetime) -> QuerySet[Conversation]:
    return Conversation.objects.filter(
        Q(deleted_at__lt=deleted_before) | Q(agent__deleted_at__lt=deleted_before)
    )


def _delete_in_batches(rows: QuerySet, size: int) -> Iterator[Counter]:
    rows = rows.only("pk").select_for_update(of=("self",)).order_by("pk")
    last = None
    while True:
        with transaction.atomic():
            # The lock waits for a restore that is on its way, and then leaves the row alone.
            ids = [row.pk for row in (rows.filter(pk__gt=last) if last else rows)[:size]]
            if not ids:
                return
            _, deleted = rows.model._default_manager.filter(pk__in=ids).only("pk").delete()
        yield Counter({kind: n for kind in KINDS if (n := deleted.get(kind._meta.label))})
        last = ids[-1]
