"""LISTEN for the notifications of other processes about runs (`domain/runs/notify.py`)."""

import logging
import threading
from collections.abc import Callable

from django.db import connection

from ..domain.runs.notify import CHANNEL

logger = logging.getLogger(__name__)


class Listener:
    """Calls `on_notify` with the id of each run notified of, and with "" at least every interval.

    On SQLite, which has no LISTEN, it only polls. `interval` is in seconds; `stop` ends it.
    """

    def __init__(self, on_notify: Callable[[str], None], *, interval: float, stop: threading.Event):
        self._on_notify, self._interval, self._stop = on_notify, interval, stop

    def run(self) -> None:
        """Listen on this thread until stopped; reconnect after errors of the database."""
        while not self._stop.is_set():
            try:
                self._listen()
            except Exception:
                if connection.vendor != "postgresql":
                    raise
                logger.exception("LISTEN failed; reconnecting")
                self._stop.wait(self._interval)

    def _listen(self) -> None:
        if connection.vendor != "postgresql":
            while not self._stop.is_set():
                self._on_notify("")
                self._stop.wait(self._interval)
            return
        import psycopg  # noqa: PLC0415 (SQLite does not need it)

        parameters = {**connection.get_connection_params(), "autocommit": True}
        # Not a connection of the pool, which would hand it to others with its LISTEN.
        with connection.wrap_database_errors, psycopg.connect(**parameters) as listening:
            listening.execute(f"LISTEN {CHANNEL}")
            while not self._stop.is_set():
                self._on_notify("")
                for notification in listening.notifies(timeout=self._interval):
                    self._on_notify(notification.payload)
