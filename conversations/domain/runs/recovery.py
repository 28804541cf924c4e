"""What happens to a run whose worker is lost, or that no worker claims."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Exists, Min, OuterRef
from django.db.models.functions import Now
from django.utils import timezone

from ...conf import conf
from ...models import Conversation, Run
from ..batches import BATCH_SIZE
from .events import ResumeEvent, append_events
from .finish import CANCELLED, Outcome, begin_next, finish_and_append
from .leases import lock_run
from .notify import notify
from .queue import lock_queue


def worker_lost(run: Run) -> Outcome:
    """Return the outcome of a run whose last permitted attempt lost its worker."""
    error = f"The worker of this run stopped responding, {run.attempts} times in a row"
    error = f"{error}; the steps it finished are kept."
    return Outcome(Run.Status.FAILED, "error", error_type="worker_died", error=error)


def queue_timeout(run: Run) -> Outcome:
    """Return the outcome of a run that no worker has claimed in time."""
    error = f"No worker claimed this run within {conf.QUEUE_TIMEOUT:.0f} s."
    return Outcome(Run.Status.FAILED, "error", error_type="queue_timeout", error=error)


@transaction.atomic
def recover_if_stalled(run: Run) -> bool:
    """Let another worker resume a run whose worker is lost, or finish it.

    Finish it if its cancellation is requested, its conversation is deleted, it has used its
    attempts, or no worker has claimed it in time. Return whether the run is over now.
    """
    locked = Run.objects.select_for_update(no_key=True).stalled().get_or_none(pk=run.pk)
    if locked is None:
        return not Run.objects.active().filter(pk=run.pk).exists()
    is_live = Conversation.objects.live().filter(pk=run.conversation_id).exists()
    if locked.cancel_requested_at or not is_live:
        finish_and_append(locked, CANCELLED)
    elif locked.status == Run.Status.CREATED:
        finish_and_append(locked, queue_timeout(locked))
    elif locked.attempts >= conf.MAX_RUN_ATTEMPTS:
        finish_and_append(locked, worker_lost(locked))
    else:
        _requeue(locked)
        return False
    return True


def recover_stalled_runs() -> list[Run]:
    """Requeue or finish every stalled run; return them as they were before."""
    stalled = list(Run.objects.stalled())
    for run in stalled:
        recover_if_stalled(run)
    return stalled


def begin_queued_runs() -> None:
    """Let the next queued run begin in each conversation without an active one.

    The end of an active run does so. This is for what it could not do: the conversation awaited the
    client, or was deleted.
    """
    active = Run.objects.active().filter(conversation=OuterRef("conversation"))
    idle = Run.objects.queued().filter(~Exists(active)).order_by("conversation")
    for conversation_id in idle.values_list("conversation", flat=True).distinct()[:BATCH_SIZE]:
        with transaction.atomic():
            lock_queue(conversation_id)
            if not Run.objects.active().filter(conversation=conversation_id).exists():
                begin_next(conversation_id)


@dataclass(frozen=True)
class WaitingRuns:
    """How many runs wait for a worker, and for how long the first of them, in seconds."""

    count: int
    seconds: float

    @property
    def is_late(self) -> bool:
        """Whether a worker should have claimed the first one by now."""
        return self.seconds > conf.STALLED_RUN_TIMEOUT


def waiting_runs() -> WaitingRuns:
    """Count the runs that wait for a worker. One query."""
    found = Run.objects.waiting().aggregate(count=Count("pk"), since=Min("queued_at"))
    since = found["since"]
    seconds = (timezone.now() - since).total_seconds() if since else 0.0
    return WaitingRuns(found["count"], max(0.0, seconds))


@transaction.atomic
def release_run(run: Run, worker: str) -> None:
    """Give up the lease of a run, so that another worker resumes it. Raises RunLost."""
    locked = lock_run(run, worker)
    if locked.cancel_requested_at:
        finish_and_append(locked, CANCELLED)
    else:
        _requeue(locked)


def _requeue(run: Run) -> None:
    run.status, run.worker, run.heartbeat_at, run.queued_at = Run.Status.CREATED, "", None, Now()
    run.save(update_fields=["status", "worker", "heartbeat_at", "queued_at"])
    append_events(run.pk, [ResumeEvent(run.attempts)])
    notify([run.pk])
