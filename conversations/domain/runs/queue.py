"""The runs that wait for other turns of their conversation, in the order of acceptance.

The lock of the conversation guards its queue: who changes a queued run holds it. A run is queued
while another one is active, under the lock of that run too, and whatever ends the active run lets
the next one begin in the same transaction.
"""

from django.db.models.functions import Now

from ...models import Conversation, Run
from ..actor import Actor, Source
from .input import calls_awaiting_client, store_input
from .notify import notify_worker
from .request import TurnRequest


def lock_queue(conversation_id: str) -> None:
    """Lock a conversation with its queue until the transaction ends."""
    rows = Conversation.objects.select_for_update(no_key=True).filter(pk=conversation_id)
    rows.values("pk").first()


def store_queued_input(run: Run) -> bool:
    """Store the messages of a queued run whose turn it is.

    Return False if tool calls await the client: the run stays queued until they have results.
    """
    if calls_awaiting_client(run.conversation):
        return False
    by = Actor(run.created_by, Source.API, run)
    store_input(run, TurnRequest.of(run), by=by, takes_over=False)
    return True


def make_claimable(run: Run) -> None:
    """Make a queued run the active one of its conversation, which waits for a worker."""
    run.status, run.queued_at = Run.Status.CREATED, Now()
    run.save(update_fields=["status", "queued_at", "updated_at"])
    notify_worker(run.pk)
