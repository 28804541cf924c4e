"""Waits for PostgreSQL end: each has a timeout, and the API then returns 503."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.postgres_only


def session_timeouts() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)",
            [list(settings.SESSION_TIMEOUTS)],
        )
        return dict(cursor.fetchall())


@pytest.mark.django_db
def test_sessions_have_timeouts():
    expected = {name: f"{value * 1000:.0f}" for name, value in settings.SESSION_TIMEOUTS.items()}

    assert session_timeouts() == expected
    assert set(expected) == {
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
    }
    options = settings.DATABASES["default"]["OPTIONS"]
    assert options["connect_timeout"] == settings.DATABASE_CONNECT_TIMEOUT
    assert options["pool"]["timeout"] == settings.DATABASE_POOL_TIMEOUT


def test_commands_have_no_session_timeouts():
    script = (
        "from django.db import connection; cursor = connection.cursor(); "
        "cursor.execute('SELECT current_setting(%s)', ['statement_timeout']); "
        "print(cursor.fetchone()[0])"
    )
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", script]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "0"


@pytest.fixture
def locked_blocks(transactional_db) -> Iterator[None]:
    """Another session holds a lock of the table of blocks."""
    import psycopg  # noqa: PLC0415 (as `connection` does)

    parameters = connection.get_connection_params()
    with psycopg.connect(**{**parameters, "cursor_factory": psycopg.Cursor}) as other:
        other.execute("LOCK TABLE conversations_block IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


@pytest.mark.parametrize("name", ["lock_timeout", "statement_timeout"])
def test_locked_table_is_503_after_timeout(client_for, locked_blocks, alice, caplog, name):
    client = client_for(alice)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 0")
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(f"SET {name} = '100ms'")
    try:
        response = client.get("/v1/blocks/")
        ready = client.get("/v1/ready/")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ALL")

    assert response.status_code == 503
    assert response.json() == {"detail": "The database is not available; try again"}
    assert int(response["Retry-After"]) > 0
    assert ready.status_code == 200
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "GET /v1/blocks/" in record.message
    assert "timeout" in record.message
    assert "\n" not in record.message
    assert record.exc_info is None
