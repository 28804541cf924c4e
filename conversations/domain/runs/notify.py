"""What processes tell each other about runs, by PostgreSQL's LISTEN and NOTIFY.

A message is the id of a run of which there is news: it waits for a worker, somebody wants it
cancelled, or it has new events. It is a hint and no more: whoever hears it looks at the rows, and
looks now and then without one. SQLite has none, and is looked at more often.
"""

from collections.abc import Iterable

from django.db import connection

CHANNEL = "conversations_runs"


def announce(run_ids: Iterable[str]) -> None:
    """Tell the other processes, when the transaction commits."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_notify(%s, id) FROM unnest(%s::text[]) AS id", [CHANNEL, list(run_ids)]
            )
