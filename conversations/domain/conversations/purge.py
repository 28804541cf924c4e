"""Remove rows that were deleted long enough ago."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from ...models import (
    Agent,
    AgentArchive,
    Archive,
    AuditAction,
    Block,
    BlockRevision,
    Conversation,
    ConversationMessage,
    Identity,
    Message,
    Passage,
    Run,
)
from ..actor import SERVER
from ..audit import record
from ..batches import BATCH_SIZE, Row

Counts = Counter[type[Model]]

MODELS: list[type[Model]] = [
    Agent,
    Conversation,
    Message,
    Run,
    Block,
    BlockRevision,
    Archive,
    Passage,
    Identity,
]

# Deleting an agent cascades to its default conversation with all messages.
AGENT_BATCH_SIZE = 20


def purge(deleted_before: datetime) -> Iterator[Counts]:
    """Remove what was deleted before then; yield the row counts by model, batch by batch.

    Every batch is one transaction; after an interruption, the next purge continues. Shared blocks
    of a deleted agent stay, as do messages that a remaining fork shares, and an archive that
    another agent has.
    """
    # A default conversation is deleted with its agent, in case the agent is restored meanwhile.
    conversations = _conversations(deleted_before).filter(is_default=False)
    yield from _delete_in_batches(conversations, BATCH_SIZE)
    # Passages first, because an archive can have millions.
    yield from _delete_in_batches(_passages(deleted_before), BATCH_SIZE)
    yield from _delete_in_batches(_archives(deleted_before), BATCH_SIZE)
    agents = Agent.objects.filter(deleted_at__lt=deleted_before)
    yield from _delete_in_batches(agents, AGENT_BATCH_SIZE)
    yield from _delete_in_batches(Block.objects.filter(deleted_at__lt=deleted_before), BATCH_SIZE)
    identities = Identity.objects.filter(deleted_at__lt=deleted_before)
    yield from _delete_in_batches(identities, BATCH_SIZE)
    # Last, when the purged conversations no longer refer to them.
    links = ConversationMessage.objects.filter(message=OuterRef("pk"))
    yield from _delete_in_batches(Message.objects.filter(~Exists(links)), BATCH_SIZE)


def count_purgeable(deleted_before: datetime) -> Counts:
    """Return the row counts that `purge` would remove, by model. Writes nothing."""
    conversations = _conversations(deleted_before)
    remaining = ConversationMessage.objects.filter(message=OuterRef("pk")).exclude(
        conversation__in=conversations
    )
    blocks = Block.objects.filter(
        Q(deleted_at__lt=deleted_before) | Q(conversation__in=conversations)
    )
    return Counter(
        {
            Agent: Agent.objects.filter(deleted_at__lt=deleted_before).count(),
            Conversation: conversations.count(),
            Message: Message.objects.filter(~Exists(remaining)).count(),
            Run: Run.objects.filter(conversation__in=conversations).count(),
            Block: blocks.count(),
            BlockRevision: BlockRevision.objects.filter(block__in=blocks).count(),
            Archive: _archives(deleted_before).count(),
            Passage: _passages(deleted_before).count(),
            Identity: Identity.objects.filter(deleted_at__lt=deleted_before).count(),
        }
    )


def _conversations(deleted_before: datetime) -> QuerySet[Conversation]:
    return Conversation.objects.filter(
        Q(deleted_at__lt=deleted_before) | Q(agent__deleted_at__lt=deleted_before)
    )


def _archives(deleted_before: datetime) -> QuerySet[Archive]:
    """Return deleted archives, and those that were created for purged agents alone."""
    links = AgentArchive.objects.filter(archive=OuterRef("pk"))
    of_purged = Q(agent__deleted_at__lt=deleted_before)
    return Archive.objects.filter(
        Q(deleted_at__lt=deleted_before)
        | Q(Exists(links.filter(of_purged, is_owner=True)), ~Exists(links.exclude(of_purged)))
    )


def _passages(deleted_before: datetime) -> QuerySet[Passage]:
    passages: QuerySet[Passage] = Passage.objects.filter(
        Q(deleted_at__lt=deleted_before) | Q(archive__in=_archives(deleted_before))
    )
    return passages


def _delete_in_batches(rows: QuerySet[Row], size: int) -> Iterator[Counts]:
    owned = rows.values_list("pk", "organization").select_for_update(of=("self",)).order_by("pk")
    last = None
    while True:
        with transaction.atomic():
            # The lock waits for a concurrent restore, and then skips the row.
            found = list((owned.filter(pk__gt=last) if last else owned)[:size])
            if not found:
                return
            ids = [pk for pk, _ in found]
            _, deleted = rows.model._default_manager.filter(pk__in=ids).only("pk").delete()
            _record(rows.model, Counter(organization for _, organization in found))
        yield Counter({model: n for model in MODELS if (n := deleted.get(model._meta.label))})
        last = ids[-1]


def _record(model: type[Model], counts: Counter[str]) -> None:
    for organization, number in counts.items():
        record(
            AuditAction.PURGED,
            by=SERVER,
            organization=organization,
            table=str(model._meta.model_name),
            rows=number,
        )
