"""An invalid environment variable ends every process with a one-line error."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def fail(*command: str, **variables: str) -> str:
    """Run a command that cannot start and return its output."""
    done = subprocess.run(
        [sys.executable, *(command or ("manage.py", "check"))],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "found"),
    [
        ("DATABASE_URL", "nonsense", "'nonsense'"),
        ("DATABASE_URL", "", "''"),
        ("DATABASE_URL", "mysql://root:secret@db/name", "'mysql://…@db/name'"),
        ("DATABASE_URL", "postgres://me:secret@db:x/name", "'postgres://…@db:x/name'"),
        ("DATABASE_URL", "postgres://me:secret@db", "'postgres://…@db'"),
        ("DATABASE_URL", "me:secret@db", "'…@db'"),
        ("WEB_THREADS", "0", "'0'"),
        ("WEB_THREADS", "many", "'many'"),
        ("MODEL_TIMEOUT", "2 minutes", "'2 minutes'"),
        ("STALLED_RUN_TIMEOUT", "nan", "'nan'"),
        ("HTTPS", "perhaps", "'perhaps'"),
        ("PROMPT_REFRESH", "x", "'x'"),
        ("LOG_LEVEL", "loud", "'loud'"),
        ("MODEL_PROVIDERS", "secret", "something else"),
        ("MODEL_PROVIDERS", '{"groq": {"api_key": "secret"}}', "something else"),
    ],
)
def test_wrong_variable_is_named(variable, value, found):
    [line] = fail(**{variable: value}).splitlines()

    assert line.startswith(f"{variable}: expected ")
    assert line.endswith(f", found {found}.")
    assert "secret" not in line


def test_unreadable_file_is_named(tmp_path):
    path = str(tmp_path / "missing")

    [line] = fail(SECRET_KEY_FILE=path).splitlines()

    assert line == (
        f"SECRET_KEY_FILE: expected a readable file, found {path!r} (No such file or directory)."
    )


def test_file_holds_value(tmp_path):
    path = tmp_path / "threads"
    path.write_text("many\n")

    [line] = fail(WEB_THREADS_FILE=str(path)).splitlines()

    assert line.endswith("found 'many'.")


def test_server_names_wrong_variable():
    command = ("-m", "uvicorn", "project.asgi:application", "--port", "0")

    [line] = fail(*command, WEB_THREADS="0").splitlines()

    assert line.startswith("WEB_THREADS: expected")


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Yield a port that is bound but not listening, so it refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize(
    "command",
    [
        ("manage.py", "migrate"),
        ("manage.py", "check_memory"),
        ("-m", "uvicorn", "project.asgi:application", "--port", "0"),
    ],
    ids=["migrate", "check_memory", "server"],
)
def test_unreachable_database_is_named(closed_port, command):
    url = f"postgres://me:secret@127.0.0.1:{closed_port}/name"

    output = fail(*command, DATABASE_URL=url)

    expected = f"cannot connect to PostgreSQL at 127.0.0.1:{closed_port}: Connection refused."
    assert expected in output
    assert "Traceback" not in output
    assert "secret" not in output
