"""How a run finishes: its worker ends it, a caller cancels it, or no worker resumes it.

`finish_run` decides what happens; each of its callers stores the last events exactly once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from ...llm.errors import MODEL_ERRORS
from ...models import Agent, Conversation, Message, Run
from ...models.runs import RunQuerySet
from ...signals import run_finished, send_on_commit
from .events import (
    ErrorEvent,
    Event,
    NumberedEvent,
    RunUsage,
    StopEvent,
    UsageEvent,
    append_events,
)
from .leases import lock_run
from .notify import notify
from .queue import lock_queue, make_claimable, store_queued_input

Role = Message.Role
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run finishes. `error_type`, `error` and `detail` say why it failed.

    `retry_after` is in how many seconds the provider wants the next request, if it says so.
    """

    status: Run.Status
    stop_reason: str
    error_type: str = ""
    error: str = ""
    detail: str = ""
    retry_after: float | None = None

    def events(self, usage: RunUsage) -> list[Event]:
        """Return the last events of the run."""
        events: list[Event] = [StopEvent(self.stop_reason)]
        if self.status == Run.Status.FAILED:
            events.append(ErrorEvent(self.error_type, self.error, self.detail, self.retry_after))
        elif self.status == Run.Status.COMPLETED:
            events.append(UsageEvent(usage))
        return events


# What `error_type` of a failed run may be.
ERROR_TYPES = (
    *MODEL_ERRORS,
    *("internal_error", "invalid_argument", "nothing_to_compact", "worker_died", "queue_timeout"),
)
CANCELLED = Outcome(Run.Status.CANCELLED, "cancelled")


def finish_run(run: Run, outcome: Outcome) -> list[Event]:
    """Finish a run whose row is locked; return its last events, which the caller stores."""
    now = timezone.now()
    was_active = run.status in Run.ACTIVE
    run.status, run.stop_reason = outcome.status, outcome.stop_reason
    run.error = f"{outcome.error} {outcome.detail}".strip()
    run.error_type = outcome.error_type
    run.completed_at = now
    if run.started_at:
        run.total_duration_ns = round((now - run.started_at).total_seconds() * 1e9)
    if outcome.status == Run.Status.COMPLETED:
        run.request = {}
    elif not (run.usage or run.messages.filter(role=Role.TOOL).exclude(name=None).exists()):
        # The run stored nothing but its input, so the same request may start another one.
        run.otid = None
        run.idempotency_records.all().delete()
    run.save(update_fields=FINISHED_FIELDS)
    send_on_commit(run_finished, Run, run=run)
    # This locks the conversation with its queue.
    Conversation.objects.filter(pk=run.conversation_id).update(last_run_completed_at=now)
    transaction.on_commit(partial(_note_completion, run.agent_id, now))
    if was_active:
        begin_next(run.conversation_id)
    return outcome.events(run.usage)


def begin_next(conversation_id: str) -> None:
    """Let the next queued run of a conversation begin, if there is one.

    Runs that a later one interrupts are cancelled, after their messages are stored; in a deleted
    conversation, all are. The caller holds the lock of the queue, and no run is active.
    """
    related = ("conversation__agent", "created_by")
    for run in Run.objects.filter(conversation=conversation_id).queued().select_related(*related):
        is_live = not (run.conversation.deleted_at or run.conversation.agent.deleted_at)
        if is_live and not store_queued_input(run):
            return
        if is_live and not run.cancel_requested_at:
            make_claimable(run)
            return
        finish_and_append(run, CANCELLED)


FINISHED_FIELDS = [
    "status",
    "stop_reason",
    "error",
    "error_type",
    "completed_at",
    "request",
    "total_duration_ns",
    "ttft_ns",
    "usage",
    "otid",
    "updated_at",
]


def _note_completion(agent_id: str, moment: datetime) -> None:
    # At most once a second: all conversations of an agent share this row.
    earlier = Q(last_run_completed_at=None) | Q(last_run_completed_at__lt=moment - SECOND)
    Agent.objects.filter(earlier, pk=agent_id).update(last_run_completed_at=moment)


def finish_and_append(run: Run, outcome: Outcome) -> list[NumberedEvent]:
    """Finish a run whose row is locked and store its last events."""
    return append_events(run.pk, finish_run(run, outcome))


@transaction.atomic
def end_run(run: Run, outcome: Outcome, *, worker: str) -> list[NumberedEvent]:
    """Finish a run as its worker; return its last events. Raises RunLost."""
    return finish_and_append(lock_run(run, worker), outcome)


def request_cancel(run: Run) -> bool:
    """Ask a run's worker to cancel it; return True if the run is over already.

    A run that no worker has claimed is cancelled at once. The messages of a queued one are not
    stored.
    """
    return _cancel_queued(run) or _request_cancel(run)


@transaction.atomic
def _cancel_queued(run: Run) -> bool:
    """Cancel a run if it is queued; return whether it was."""
    if not Run.objects.queued().filter(pk=run.pk).exists():
        return False
    lock_queue(run.conversation_id)
    if queued := Run.objects.queued().get_or_none(pk=run.pk):
        finish_and_append(queued, CANCELLED)
    return queued is not None


@transaction.atomic
def _request_cancel(run: Run) -> bool:
    locked = Run.objects.select_for_update(no_key=True).active().get_or_none(pk=run.pk)
    if locked is None:
        return True
    if locked.status == Run.Status.CREATED:
        finish_and_append(locked, CANCELLED)
        return True
    locked.cancel_requested_at = timezone.now()
    locked.save(update_fields=["cancel_requested_at"])
    notify([run.pk])
    return False


def request_cancel_of_all(runs: RunQuerySet) -> None:
    """Ask the workers of these runs to cancel them, because their conversations are deleted.

    Call it before locking anything else: runs are locked first.
    """
    ids = list(runs.active().values_list("pk", flat=True))
    if ids:
        Run.objects.active().filter(pk__in=ids).update(cancel_requested_at=Now())
        notify(ids)


@transaction.atomic
def force_cancel(run: Run) -> None:
    """Cancel a run whose worker did not do so in time; the worker's later writes are refused."""
    locked = Run.objects.select_for_update(no_key=True).active().get_or_none(pk=run.pk)
    if locked is not None:
        finish_and_append(locked, CANCELLED)
