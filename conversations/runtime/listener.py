"""Hearing what other processes announce about runs, by PostgreSQL's LISTEN."""

import logging
import threading
from collections.abc import Callable

from django.db import connection

from ..domain.runs.notify import CHANNEL

logger = logging.getLogger(__name__)


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
