"""A run while it is active: taken by a process, which says that it lives.

A run is locked before anything else of its turn. Its row is what processes agree by: whoever
writes for a run holds it and looks whether it is still theirs.
"""

from collections.abc import Collection

from django.db import transaction
from django.db.models.functions import Now

from ...models import ConversationMessage, Run
from ..errors import Conflict
from .events import RunLost


class Busy(Conflict):
    """One turn at a time."""

    def __init__(self, run_id: str):
        self.run_id = run_id
        super().__init__(f"Run '{run_id}' of this conversation is still active")


def claim_run(worker: str) -> Run | None:
    """Take the oldest run that nobody has taken; None when there is none."""
    for run in Run.objects.filter(status=Run.Status.CREATED).order_by("created_at")[:10]:
        taken = Run.objects.filter(pk=run.pk, status=Run.Status.CREATED).update(
            status=Run.Status.RUNNING, worker=worker, heartbeat_at=Now(), started_at=Now()
        )
        if taken:
            related = ("conversation__agent", "created_by")
            return Run.objects.select_related(*related).get(pk=run.pk)
    return None


def beat(worker: str, run_ids: Collection[str]) -> None:
    """Say that the process lives and takes these turns."""
    if run_ids:
        own = Run.objects.active().filter(worker=worker, pk__in=run_ids)
        own.update(heartbeat_at=Now())


def unwanted_runs(worker: str) -> list[str]:
    """Which of the process's runs somebody wants cancelled."""
    own = Run.objects.active().filter(worker=worker)
    return list(own.exclude(cancel_requested_at=None).values_list("pk", flat=True))


def lock_run(run: Run, worker: str | None) -> Run:
    """The fresh row, held until the transaction ends; RunLost unless it is this process's."""
    locked = Run.objects.select_for_update(no_key=True).get_or_none(pk=run.pk)
    if locked is None or locked.status not in Run.ACTIVE or locked.worker != worker:
        raise RunLost(run.pk)
    return locked


@transaction.atomic
def delete_run(run: Run) -> None:
    """Remove the record of a turn that is over, its steps and events; its messages stay."""
    locked = Run.objects.select_for_update(no_key=True).get_or_none(pk=run.pk)
    if locked is not None and locked.status in Run.ACTIVE:
        raise Conflict(f"Run '{run.pk}' is {locked.status}; cancel it first")
    if locked is not None:
        locked.delete()


def messages_of_run(run: Run):
    """The messages of a turn in their order, as links with their messages."""
    links = ConversationMessage.objects.filter(conversation=run.conversation_id, message__run=run)
    return links.select_related("message").order_by("position")
