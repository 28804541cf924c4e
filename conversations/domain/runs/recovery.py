"""What happens to a run whose worker is lost, or that no worker claims."""

from django.db import transaction
from django.db.models.functions import Now

from ...conf import conf
from ...models import Conversation, Run
from .events import ResumeEvent, append_events
from .finish import CANCELLED, Outcome, finish_and_append
from .leases import lock_run
from .notify import notify


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
