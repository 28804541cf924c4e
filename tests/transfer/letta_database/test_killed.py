"""An import that is killed and repeated ends like an uninterrupted one."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from urllib.parse import urlsplit

import psycopg
import pytest

from ...sdk.server import ROOT, database, run
from .v1 import ORGANIZATION, V1

AGENTS = 400

# In SQL: inserting row by row takes longer than the import.
WORLD = f"""
    CREATE FUNCTION uid(n bigint, kind text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
        SELECT kind || '-' || lpad(to_hex(n), 8, '0') || '-0000-4000-8000-000000000000' $$;
    INSERT INTO agents (id, name, system, llm_config, organization_id)
        SELECT uid(n, 'agent'), 'Agent ' || n, 'You answer.', '{{"handle": "a/b"}}',
            '{ORGANIZATION}' FROM generate_series(1, {AGENTS}) n;
    INSERT INTO block (id, label, value, organization_id)
        SELECT uid(n, 'block'), 'human', 'about ' || n, '{ORGANIZATION}'
        FROM generate_series(1, {2 * AGENTS}) n;
    INSERT INTO blocks_agents SELECT uid(n, 'agent'), uid(n, 'block'), 'human'
        FROM generate_series(1, {AGENTS}) n;
    INSERT INTO conversations (id, agent_id, organization_id)
        SELECT uid(n, 'conv'), uid(n, 'agent'), '{ORGANIZATION}'
        FROM generate_series(1, {AGENTS}) n;
    INSERT INTO blocks_conversations SELECT uid(n, 'conv'), uid({AGENTS} + n, 'block'), 'human'
        FROM generate_series(1, {AGENTS}) n;
    INSERT INTO messages (id, agent_id, role, content, organization_id, conversation_id)
        SELECT uid(n, 'message'), uid(1 + n / 20, 'agent'),
            CASE mod(n, 20) WHEN 0 THEN 'system' ELSE 'user' END,
            json_build_array(json_build_object('type', 'text', 'text', 'message ' || n)),
            '{ORGANIZATION}', uid(1 + n / 20, 'conv')
        FROM generate_series(0, {20 * AGENTS - 1}) n ORDER BY n;
    INSERT INTO conversation_messages (conversation_id, agent_id, message_id, position)
        SELECT conversation_id, agent_id, id, mod(sequence_id - 1, 20) FROM messages;
"""

# All that an import writes, except update times and the text of system messages.
CONTENTS = {
    "organization": "id, name",
    "member": "id, name, organization_id",
    "agent": "id, name, system, model, tags, created_at",
    "agentblock": "agent_id, block_id, label, position",
    "block": "id, label, value, version, conversation_id, created_at",
    "blockrevision": "block_id, number, value, source",
    "conversation": "id, agent_id, is_default, compiled_from, created_at",
    "isolatedblock": "conversation_id, block_id, label, source_block_id, base_value, base_version",
    "readingperiod": "agent_id, conversation_id, block_id, label, since",
    "message": "id, agent_id, role, created_at, CASE role WHEN 'system' THEN '' "
    "ELSE CAST(content AS text) END",
    "conversationmessage": "conversation_id, message_id, position, in_context",
}


def rows(url: str, statement: str) -> list[tuple]:
    if url.startswith("sqlite"):
        with sqlite3.connect(urlsplit(url).path[1:], timeout=20) as connection:
            return connection.execute(statement).fetchall()
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def count(url: str, table: str) -> int:
    return rows(url, f"SELECT count(*) FROM conversations_{table}")[0][0]


def contents(url: str) -> dict[str, list[str]]:
    return {
        table: sorted(map(str, rows(url, f"SELECT {columns} FROM conversations_{table}")))
        for table, columns in CONTENTS.items()
    }


def start_import(environment: dict[str, str], v1: V1) -> subprocess.Popen:
    command = [sys.executable, "manage.py", "import_letta", "--from", v1.url]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def kill_when(environment: dict[str, str], v1: V1, agents: int) -> bool:
    """Kill an import once it has stored this many agents; return whether it was running."""
    process = start_import(environment, v1)
    try:
        while process.poll() is None:
            [(count,)] = rows(
                environment["DATABASE_URL"], "SELECT count(*) FROM conversations_agent"
            )
            if count >= agents:
                break
            time.sleep(0.005)
        was_running = process.poll() is None
        process.send_signal(signal.SIGKILL)
        return was_running
    finally:
        process.wait()


@pytest.fixture
def environment(tmp_path):
    with database(tmp_path) as url:
        variables = {
            **os.environ,
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "project.settings",
        }
        run("manage.py", "migrate", "--verbosity", "0", environment=variables)
        yield variables


@pytest.mark.slow
def test_killed_import_resumes_to_the_same_result(v1: V1, environment, tmp_path_factory):
    v1.execute(WORLD)
    url = environment["DATABASE_URL"]

    for agents in (0, AGENTS // 4, AGENTS // 2):
        assert kill_when(environment, v1, agents)
        # The agents that are stored are complete.
        assert count(url, "agent") < AGENTS
        run("manage.py", "check_memory", environment=environment)
    run("manage.py", "import_letta", "--from", v1.url, environment=environment)

    with database(tmp_path_factory.mktemp("undisturbed")) as other:
        undisturbed = {**environment, "DATABASE_URL": other}
        run("manage.py", "migrate", "--verbosity", "0", environment=undisturbed)
        run("manage.py", "import_letta", "--from", v1.url, environment=undisturbed)
        assert contents(url) == contents(other)
    assert len(contents(url)["message"]) == 20 * AGENTS + AGENTS
