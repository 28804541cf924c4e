"""PostgreSQL's NOTIFY of runs, by which processes wake each other.

The payload is the id of a run that waits for a worker, is to be cancelled or has new events. It is
only a hint: the receiver reads the rows, and polls them as well. SQLite has no NOTIFY.
"""

from collections.abc import Iterable

from django.db import connection

CHANNEL = "conversations_runs"


def notify(run_ids: Iterable[str]) -> None:
    """Send a NOTIFY for each run; it is delivered when the transaction commits."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_notify(%s, id) FROM unnest(%s::text[]) AS id", [CHANNEL, list(run_ids)]
            )
