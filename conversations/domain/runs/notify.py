"""PostgreSQL's NOTIFY of runs, by which processes wake each other.

The payload is the id of a run that waits for a worker, is to be cancelled or has new events. It is
only a hint: the receiver reads the rows, and polls them as well. SQLite has no NOTIFY.
"""

from collections.abc import Iterable
from functools import partial

from django.db import connection, transaction
from django.dispatch import Signal

from ...models import Run

CHANNEL = "conversations_runs"

# For the worker of this process: a queued run of some conversation can be claimed.
run_can_begin = Signal()


def notify(run_ids: Iterable[str]) -> None:
    """Send a NOTIFY for each run; it is delivered when the transaction commits."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_notify(%s, id) FROM unnest(%s::text[]) AS id", [CHANNEL, list(run_ids)]
            )


def notify_worker(run_id: str) -> None:
    """Tell workers, those of other processes included, that a queued run can be claimed."""
    notify([run_id])
    transaction.on_commit(partial(run_can_begin.send_robust, Run))
