"""A `migrate` command that several processes may run at once.

A project uses it by a module `management/commands/migrate.py` in one of its apps that imports
`Command` from here.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.commands import migrate
from django.db import connections

# The advisory lock is one of the database.
TRY_LOCK = "SELECT pg_try_advisory_lock(7014826133)"
POLL_INTERVAL = 0.2


class Command(migrate.Command):
    """Wait while another process migrates; then apply what is left."""

    def handle(self, *args: Any, **options: Any) -> None:
        with self._lock(options["database"]):
            super().handle(*args, **options)

    @contextmanager
    def _lock(self, alias: str) -> Iterator[None]:
        connection = connections[alias]
        if connection.vendor != "postgresql":  # SQLite has one writer at a time anyway.
            yield
            return
        import psycopg  # noqa: PLC0415 (SQLite does not need it)

        # A session of its own, since the session that migrates may be closed and opened again.
        parameters = {**connection.get_connection_params(), "autocommit": True}
        with connection.wrap_database_errors, psycopg.connect(**parameters) as session:
            is_waiting = False
            # A session that waits in the database would block CREATE INDEX CONCURRENTLY.
            while session.execute(TRY_LOCK).fetchone() != (True,):
                if not is_waiting:
                    self.stderr.write("Waiting for another process that migrates …", str)
                is_waiting = True
                time.sleep(POLL_INTERVAL)
            yield
