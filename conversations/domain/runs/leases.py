"""The lease of an active run: a worker claims the run and keeps it by heartbeats.

If the heartbeats stop, `recovery.py` lets the next worker resume it.

The run's row is locked before anything else of its turn. A worker that writes for a run holds that
lock and checks that it still owns the run.
"""

from collections.abc import Collection

from django.db import transaction
from django.db.models import Count, F, Q, Window
from django.db.models.functions import Coalesce, Now, RowNumber

from ...models import AuditAction, ConversationMessage, Run
from ...models.messages import ConversationMessageQuerySet
from ...models.runs import RunQuerySet
from ..actor import Actor
from ..audit import record
from ..errors import Conflict, DomainError
from .events import RunLost

# How many runs of one organization a worker tries to claim while others do the same.
CLAIM_ATTEMPTS = 10


class Busy(Conflict):
    """Another run of the conversation is active; there is one at a time."""

    def __init__(self, run_id: str):
        self.run_id = run_id
        super().__init__(f"Run '{run_id}' of this conversation is still active")


class QueueFull(DomainError):
    """As many turns as allowed wait for the active one."""

    def __init__(self, conversation_id: str, length: int):
        super().__init__(
            f"{length} messages wait in conversation '{conversation_id}', which is the maximum; "
            "try again later"
        )


def claim_run(
    worker: str,
    *,
    besides: Collection[str] = (),
    full: Collection[str] = (),
    resumes_only: bool = False,
) -> Run | None:
    """Claim a run that waits for a worker; return None if there is none.

    Organizations share the workers fairly: the run is the oldest one of the organization that has
    the fewest running runs.

    Args:
        worker: The name of the worker that claims.
        besides: Ids of runs to leave to others: a worker that lost a run may still be executing
            its earlier attempt.
        full: Ids of organizations whose runs to leave to others.
        resumes_only: Claim only runs that another worker has begun, or that were queued.
    """
    waiting = Run.objects.waiting()
    if resumes_only:
        waiting = waiting.filter(Q(attempts__gt=0) | Q(queue_position__isnull=False))
    for run_id in _in_fair_order(waiting.exclude(pk__in=besides).exclude(organization__in=full)):
        claimed = waiting.filter(pk=run_id).update(
            status=Run.Status.RUNNING,
            worker=worker,
            attempts=F("attempts") + 1,
            heartbeat_at=Now(),
            started_at=Coalesce("started_at", Now()),
        )
        if claimed:
            related = ("conversation__agent", "created_by__organization")
            return Run.objects.select_related(*related).get(pk=run_id)
    return None


def _in_fair_order(waiting: RunQuerySet) -> list[str]:
    """Return the ids of the first waiting runs of each organization. Two queries, one if none."""
    place = Window(RowNumber(), partition_by="organization", order_by=["created_at", "pk"])
    first = waiting.annotate(place=place).filter(place__lte=CLAIM_ATTEMPTS).order_by("created_at")
    runs = list(first.values_list("pk", "organization", "place"))
    if not runs:
        return []
    running = Run.objects.filter(status=Run.Status.RUNNING).order_by()
    counts = dict(running.values_list("organization").annotate(n=Count("pk")))
    runs.sort(key=lambda run: counts.get(run[1], 0) + run[2])
    return [run[0] for run in runs]


def heartbeat(worker: str, run_ids: Collection[str]) -> None:
    """Renew a worker's leases of these runs, by the database's clock."""
    if run_ids:
        own = Run.objects.active().filter(worker=worker, pk__in=run_ids)
        own.update(heartbeat_at=Now())


def runs_to_cancel(worker: str) -> list[str]:
    """Return the ids of a worker's runs whose cancellation is requested."""
    own = Run.objects.active().filter(worker=worker)
    return list(own.exclude(cancel_requested_at=None).values_list("pk", flat=True))


def lock_run(run: Run, worker: str) -> Run:
    """Lock the run until the transaction ends; return the fresh row.

    The worker's name and the number of its attempt are the fencing token: raises RunLost unless
    the row has both.
    """
    locked = Run.objects.select_for_update(no_key=True).get_or_none(pk=run.pk)
    token = (Run.Status.RUNNING, worker, run.attempts)
    if locked is None or (locked.status, locked.worker, locked.attempts) != token:
        raise RunLost(run.pk)
    return locked


@transaction.atomic
def delete_run(run: Run, *, by: Actor) -> None:
    """Delete the record of a finished turn with its steps and events; its messages stay."""
    locked = Run.objects.select_for_update(no_key=True).get_or_none(pk=run.pk)
    if locked is not None and locked.status in Run.UNFINISHED:
        raise Conflict(f"Run '{run.pk}' is {locked.status}; cancel it first")
    if locked is not None:
        record(AuditAction.DELETED, by=by, organization=locked.organization_id, about=locked)
        locked.delete()


def messages_of_run(run: Run) -> ConversationMessageQuerySet:
    """Return the links to a turn's messages in order, each with its message."""
    links = ConversationMessage.objects.filter(conversation=run.conversation_id, message__run=run)
    return links.select_related("message").order_by("position")
