"""The lease of an active run: a worker claims the run and keeps it by heartbeats.

If the heartbeats stop, `recovery.py` lets the next worker resume it.

The run's row is locked before anything else of its turn. A worker that writes for a run holds that
lock and checks that it still owns the run.
"""

from collections.abc import Collection

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from ...models import ConversationMessage, Run
from ...models.messages import ConversationMessageQuerySet
from ..errors import Conflict
from .events import RunLost


class Busy(Conflict):
    """Another run of the conversation is active; there is one at a time."""

    def __init__(self, run_id: str):
        self.run_id = run_id
        super().__init__(f"Run '{run_id}' of this conversation is still active")


def claim_run(
    worker: str, *, besides: Collection[str] = (), resumes_only: bool = False
) -> Run | None:
    """Claim the oldest run that waits for a worker; return None if there is none.

    Args:
        worker: The name of the worker that claims.
        besides: Ids of runs to leave to others: a worker that lost a run may still be executing
            its earlier attempt.
        resumes_only: Claim only runs that another worker has begun.
    """
    waiting = Run.objects.filter(status=Run.Status.CREATED, attempts__gte=int(resumes_only))
    for run in waiting.exclude(pk__in=besides).order_by("created_at")[:10]:
        claimed = waiting.filter(pk=run.pk).update(
            status=Run.Status.RUNNING,
            worker=worker,
            attempts=F("attempts") + 1,
            heartbeat_at=Now(),
            started_at=Coalesce("started_at", Now()),
        )
        if claimed:
            related = ("conversation__agent", "created_by")
            return Run.objects.select_related(*related).get(pk=run.pk)
    return None


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
def delete_run(run: Run) -> None:
    """Delete the record of a finished turn with its steps and events; its messages stay."""
    locked = Run.objects.select_for_update(no_key=True).get_or_none(pk=run.pk)
    if locked is not None and locked.status in Run.ACTIVE:
        raise Conflict(f"Run '{run.pk}' is {locked.status}; cancel it first")
    if locked is not None:
        locked.delete()


def messages_of_run(run: Run) -> ConversationMessageQuerySet:
    """Return the links to a turn's messages in order, each with its message."""
    links = ConversationMessage.objects.filter(conversation=run.conversation_id, message__run=run)
    return links.select_related("message").order_by("position")
