"""How runs end: in one of three ways, because somebody cancels them, or with their process."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import Max, Q
from django.db.models.functions import Now
from django.utils import timezone

from ...models import Agent, Conversation, Run, RunEvent
from ...models.runs import RunQuerySet
from ...signals import run_finished, send_on_commit
from .events import Event, insert_events
from .leases import lock_run
from .notify import announce

SECOND = timedelta(seconds=1)


@dataclass
class Ending:
    """How a run ends."""

    status: Run.Status
    stop_reason: str
    error_type: str = ""
    error: str = ""
    detail: str = ""

    def events(self, run: Run) -> list[dict]:
        """What watchers are told at last."""
        events: list[dict] = [{"type": "stop", "reason": self.stop_reason}]
        if self.status == Run.Status.FAILED:
            events.append(
                {
                    "type": "error",
                    "error_type": self.error_type,
                    "text": self.error,
                    "detail": self.detail,
                }
            )
        elif self.status == Run.Status.COMPLETED:
            events.append({"type": "usage", **run.usage})
        return events


SILENT = Ending(
    Run.Status.FAILED,
    "error",
    error_type="worker_died",
    error="The process that took this turn is gone; what it had finished is kept.",
)
CANCELLED = Ending(Run.Status.CANCELLED, "cancelled")


@transaction.atomic
def end_run(run: Run, ending: Ending, *, worker: str | None) -> list[Event]:
    """End a run of this process; its last events are stored with it. RunLost if it is another's."""
    return end_locked_run(lock_run(run, worker), ending)


def end_locked_run(
    run: Run, ending: Ending, *, told: Sequence[Event] = (), last: int | None = None
) -> list[Event]:
    """End a run whose lock is held, and answer its last events, which are stored.

    `told` are stored with them; `last` is the number of the latest event so far, if known.
    """
    now = timezone.now()
    run.status, run.stop_reason = ending.status, ending.stop_reason
    run.error = f"{ending.error} {ending.detail}".strip()
    run.error_type = ending.error_type
    run.completed_at = now
    run.request = {}
    if run.started_at:
        run.total_duration_ns = round((now - run.started_at).total_seconds() * 1e9)
    if ending.status != Run.Status.COMPLETED and not run.messages.exists():
        # It left nothing, so that sending the same again is a new attempt.
        run.otid = run.idempotency_key = None
    run.save(update_fields=ENDED)
    send_on_commit(run_finished, Run, run=run)
    if last is None:
        events = _insert_last(run, ending)
    else:
        events = _numbered(ending.events(run), after=last)
        insert_events((run.pk, event) for event in [*told, *events])
    Conversation.objects.filter(pk=run.conversation_id).update(last_run_completed_at=now)
    transaction.on_commit(partial(_note_completion, run.agent_id, now))
    return events


# What the end of a run changes.
ENDED = [
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
    "idempotency_key",
    "updated_at",
]


def _numbered(data: list[dict], *, after: int) -> list[Event]:
    return [Event(after + n, each) for n, each in enumerate(data, start=1)]


def _insert_last(run: Run, ending: Ending) -> list[Event]:
    """Store the last events after whatever there is; its process may be writing at this moment."""
    while True:
        last = RunEvent.objects.filter(run=run).aggregate(n=Max("seq"))["n"] or 0
        events = _numbered(ending.events(run), after=last)
        try:
            with transaction.atomic():
                insert_events((run.pk, event) for event in events)
        except IntegrityError:
            continue
        return events


def _note_completion(agent_id: str, moment: datetime) -> None:
    """To the second: many conversations of an agent end turns at once, and share this row."""
    earlier = Q(last_run_completed_at=None) | Q(last_run_completed_at__lt=moment - SECOND)
    Agent.objects.filter(earlier, pk=agent_id).update(last_run_completed_at=moment)


@transaction.atomic
def free_if_silent(run: Run) -> bool:
    """Fail a run whose process is dead, which frees its conversation. Whether it is over now."""
    locked = Run.objects.select_for_update(no_key=True).silent().get_or_none(pk=run.pk)
    if locked is not None:
        end_locked_run(locked, SILENT)
        return True
    return not Run.objects.active().filter(pk=run.pk).exists()


def free_silent_runs() -> list[str]:
    """Fail every run whose process is dead; their ids."""
    return [run.pk for run in Run.objects.silent() if free_if_silent(run)]


@transaction.atomic
def request_cancel(run: Run) -> bool:
    """Ask for a run's end. True when it is over at once, because no process had taken it."""
    locked = Run.objects.select_for_update(no_key=True).active().get_or_none(pk=run.pk)
    if locked is None:
        return True
    if locked.status == Run.Status.CREATED:
        end_locked_run(locked, CANCELLED)
        return True
    locked.cancel_requested_at = timezone.now()
    locked.save(update_fields=["cancel_requested_at"])
    announce([run.pk])
    return False


def abandon_runs(runs: RunQuerySet) -> None:
    """Have these runs cancelled soon, because what they are about goes away.

    Call it before anything else is locked: a run comes first.
    """
    ids = list(runs.active().values_list("pk", flat=True))
    if ids:
        Run.objects.active().filter(pk__in=ids).update(cancel_requested_at=Now())
        announce(ids)


@transaction.atomic
def force_cancel(run: Run) -> None:
    """End a run whose process did not do so in time: what that process still writes is refused."""
    locked = Run.objects.select_for_update(no_key=True).active().get_or_none(pk=run.pk)
    if locked is not None:
        end_locked_run(locked, CANCELLED)
