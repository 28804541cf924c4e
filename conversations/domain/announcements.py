"""What processes tell each other about runs, by PostgreSQL's LISTEN and NOTIFY.

A message is the id of a run of which there is news: it waits for a worker, somebody wants it
cancelled, or it has new events. It is a hint and no more: whoever hears it looks at the rows, and
looks now and then without one. SQLite has none, and is looked at more often.
"""

import logging
import threading
from collections.abc import Callable, Iterable

from django.db import connection

logger = logging.getLogger(__name__)

CHANNEL = "conversations_runs"


def announce(run_ids: Iterable[str]) -> None:
    """Tell the other processes, when the transaction commits."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_notify(%s, id) FROM unnest(%s::text[]) AS id", [CHANNEL, list(run_ids)]
            )


def listen(hear: Callable[[str], None], *, until: threading.Event, seconds: float) -> None:
    """Call `hear` with each run id announced, and with "" now and then, until told to stop.

    On SQLite it only waits.
    """
    while not until.is_set():
        try:
            _listen(hear, until, seconds)
        except Exception:
            if connection.vendor != "postgresql":
                raise
            logger.exception("Listening for runs failed; trying again")
            until.wait(seconds)


def _listen(hear: Callable[[str], None], until: threading.Event, seconds: float) -> None:
    if connection.vendor != "postgresql":
        while not until.is_set():
            hear("")
            until.wait(seconds)
        return
    import psycopg  # noqa: PLC0415 (SQLite does not need it)

    parameters = connection.get_connection_params()
    # A connection of its own: one from the pool would be given to others with the LISTEN on it.
    with psycopg.connect(**{**parameters, "autocommit": True}) as listening:
        listening.execute(f"LISTEN {CHANNEL}")
        while not until.is_set():
            hear("")
            for notification in listening.notifies(timeout=seconds):
                hear(notification.payload)
