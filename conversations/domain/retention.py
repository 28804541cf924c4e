"""What is not kept: events of old runs, idempotency records, conversations that nobody uses.

Each batch is one transaction with a fixed number of statements. It skips rows that others have
locked, so that it never waits for a turn and several processes can do this at the same time.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ..conf import conf
from ..models import AuditAction, Conversation, IdempotencyRecord, Organization, Run, RunEvent, Step
from .actor import SERVER
from .audit import record

# A run may have thousands of events.
RUN_BATCH_SIZE = 20
BATCH_SIZE = 500


def clean_up() -> Iterator[int]:
    """Remove what is older than its retention; yield the number of rows of each batch."""
    yield from _until_done(remove_events)
    yield from _until_done(remove_idempotency_records)
    for organization in Organization.objects.exclude(conversation_retention_days=None):
        yield from _until_done(lambda: delete_unused_conversations(organization))  # noqa: B023 (called at once)


def _until_done(remove_batch: Callable[[], int]) -> Iterator[int]:
    while removed := remove_batch():
        yield removed


@transaction.atomic
def remove_events() -> int:
    """Remove events and traces of runs that ended EVENT_RETENTION days ago; return the number."""
    ended_before = timezone.now() - timedelta(days=conf.EVENT_RETENTION)
    runs = Run.objects.filter(events_removed=False, completed_at__lt=ended_before)
    ids = list(
        runs.select_for_update(skip_locked=True, no_key=True)
        .order_by("completed_at")
        .values_list("pk", flat=True)[:RUN_BATCH_SIZE]
    )
    if ids:
        RunEvent.objects.filter(run__in=ids).delete()
        Step.objects.filter(run__in=ids, trace__isnull=False).update(trace=None)
        Run.objects.filter(pk__in=ids).update(events_removed=True)
    return len(ids)


@transaction.atomic
def remove_idempotency_records() -> int:
    """Remove records that no longer count; return how many."""
    created_before = timezone.now() - IdempotencyRecord.LIFETIME
    old = IdempotencyRecord.objects.filter(created_at__lt=created_before)
    locked = old.select_for_update(skip_locked=True).order_by("created_at")
    ids = list(locked.values_list("pk", flat=True)[:BATCH_SIZE])
    if ids:
        IdempotencyRecord.objects.filter(pk__in=ids).delete()
    return len(ids)


@transaction.atomic
def delete_unused_conversations(organization: Organization) -> int:
    """Delete conversations without a message for the organization's retention; return how many.

    They can be restored until `purge` removes them. Default conversations live as long as their
    agents; one with an unfinished run is in use.
    """
    days = organization.conversation_retention_days
    if days is None:
        return 0
    now = timezone.now()
    before = now - timedelta(days=days)
    unused = Conversation.objects.in_organization(organization).filter(
        Q(last_message_at=None) | Q(last_message_at__lt=before),
        is_default=False,
        deleted_at=None,
        created_at__lt=before,
    )
    unused = unused.exclude(runs__in=Run.objects.unfinished())
    locked = unused.select_for_update(skip_locked=True, no_key=True, of=("self",))
    ids = list(locked.order_by("created_at").values_list("pk", flat=True)[:BATCH_SIZE])
    if ids:
        Conversation.objects.filter(pk__in=ids).update(deleted_at=now, updated_at=now)
        record(
            AuditAction.DELETED,
            by=SERVER,
            organization=organization,
            conversations=len(ids),
            reason=f"no message for {days} days",
        )
    return len(ids)
