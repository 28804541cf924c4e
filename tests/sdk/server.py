"""Run a server as an operator does: on a migrated database."""

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent.parent
START_TIMEOUT = 120
RUNNING = re.compile(r"Uvicorn running on (http://127\.0\.0\.1:\d+)")


class Server:
    """A running server: its URL, process and log, and a method to create rows in its database."""

    def __init__(self, url: str, pid: int, log: Path, environment: dict[str, str]):
        self.url = url
        self.pid = pid
        self.log = log
        self.environment = environment

    def make_world(self, *arguments: str) -> dict:
        """Create rows for journeys with world.py; return their ids and texts."""
        return json.loads(run("-m", "tests.sdk.world", *arguments, environment=self.environment))


@contextmanager
def live_server(**variables: str) -> Iterator[Server]:
    """Yield a server with an empty database of the kind that DATABASE_URL names."""
    with (
        tempfile.TemporaryDirectory(prefix="conversations-sdk-") as folder,
        database(Path(folder)) as database_url,
    ):
        environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "SECRET_KEY": secrets.token_urlsafe(50),
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "PYTHONUNBUFFERED": "1",
            **variables,
        }
        run("manage.py", "migrate", "--verbosity", "0", environment=environment)
        log = Path(folder) / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                # With port 0, the system assigns a free port.
                [sys.executable, "-m", "project.server", "--port", "0"],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=output,
            )
        try:
            yield Server(_wait_until_running(process, log), process.pid, log, environment)
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def run(*arguments: str, environment: dict[str, str]) -> str:
    """Run a Python program and return its output; raise RuntimeError if it fails."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _wait_until_running(process: subprocess.Popen, log: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        if found := RUNNING.search(log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(f"The server did not start:\n{log.read_text()}")


@contextmanager
def database(folder: Path) -> Iterator[str]:
    given = os.environ.get("DATABASE_URL", "")
    if not given.startswith("postgres"):
        yield f"sqlite:///{folder / 'db.sqlite3'}"
        return
    name = f"sdk_{secrets.token_hex(6)}"
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlsplit(given)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(given, autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )
