"""Whether a process can serve requests."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from ..domain.runs.recovery import waiting_runs
from ..tenancy import acting_for_all
from ..text import first_line

logger = logging.getLogger(__name__)

OK = "ok"
# SQLite needs this much for its log of one large write, in bytes.
MIN_FREE_SPACE = 32 * 2**20


class Readiness:
    """The checks of one process."""

    def __init__(self) -> None:
        self._is_migrated = False

    @acting_for_all()
    def check(self) -> dict[str, str]:
        """Return the result of each check: "ok", or what is wrong. Four queries at most."""
        results = {}
        checks: dict[str, Callable[[], str]] = {
            "database": self._check_database,
            "migrations": self._check_migrations,
            "workers": self._check_workers,
        }
        if connection.vendor == "sqlite":
            checks["disk"] = self._check_disk
        for name, check in checks.items():
            try:
                results[name] = check()
            except DatabaseError as error:
                # Not in the response, which is public.
                logger.warning("Not ready: %s: %s", name, first_line(error))
                results[name] = "not available"
                if name == "database":
                    break  # The others would fail for the same reason.
        return results

    def _check_database(self) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return OK

    def _check_migrations(self) -> str:
        # Reading all migrations takes long. Once applied, they stay.
        if not self._is_migrated:
            executor = MigrationExecutor(connection)
            plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
            if plan:
                return f"{len(plan)} to apply, run manage.py migrate"
            self._is_migrated = True
        return OK

    def _check_workers(self) -> str:
        waiting = waiting_runs()
        return f"{waiting.count} runs waiting, no worker" if waiting.is_late else OK

    def _check_disk(self) -> str:
        file = Path(str(connection.settings_dict["NAME"]))
        if not file.exists():  # It is in memory.
            return OK
        for path in (file, file.parent):
            if not os.access(path, os.W_OK):
                return f"{path.name} is not writable"
        free = shutil.disk_usage(file.parent).free
        if free < MIN_FREE_SPACE:
            return f"{free // 2**20} MiB free, expected at least {MIN_FREE_SPACE // 2**20}"
        return OK
