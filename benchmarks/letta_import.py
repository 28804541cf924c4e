"""Measure the import of a Letta V1 database against a plain COPY of the same bytes.

Part of `make bench`; on its own: `python benchmarks/letta_import.py`; fast: `--messages 20000`.
SQL generates a V1 database, `manage.py import_letta` imports it in a separate process, and COPY
moves the imported rows into tables with the same columns and indexes.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

MESSAGES_EACH = 20
CONVERSATIONS_EACH = 100

# The first digits of an id are a counter; times advance by one second.
WORLD = """
    CREATE FUNCTION uid(n bigint, kind text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
        SELECT kind || '-' || lpad(to_hex(n), 8, '0') || '-0000-4000-8000-000000000000' $$;
    CREATE FUNCTION at(n bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
        SELECT timestamptz '2026-01-01 00:00Z' + n * interval '1 second' $$;
    CREATE FUNCTION words(n bigint) RETURNS json LANGUAGE sql IMMUTABLE AS $$
        SELECT json_build_array(json_build_object('type', 'text', 'text',
            'message ' || n || ' ' || repeat('about the order '  || md5(n::text) || ' ', 6))) $$;
    INSERT INTO alembic_version VALUES ('1c28e167b74f');
    INSERT INTO organizations VALUES (uid(1, 'org'), 'Acme', at(0), false);
    INSERT INTO users VALUES (uid(1, 'user'), 'alice', at(0), false, uid(1, 'org'));
    INSERT INTO agents (id, name, system, llm_config, organization_id, created_at, updated_at)
        SELECT uid(n, 'agent'), 'Agent ' || n, 'You answer.',
            '{"handle": "openai/gpt-4o-mini"}', uid(1, 'org'), at(n), at(n)
        FROM generate_series(1, %(agents)s) n;
    INSERT INTO block (id, label, value, organization_id, created_at, updated_at)
        SELECT uid(n, 'block'), 'human', 'Nobody known to agent ' || n, uid(1, 'org'),
            at(n), at(n)
        FROM generate_series(1, %(agents)s) n;
    INSERT INTO blocks_agents SELECT uid(n, 'agent'), uid(n, 'block'), 'human'
        FROM generate_series(1, %(agents)s) n;
    INSERT INTO conversations (id, agent_id, summary, organization_id, created_at, updated_at)
        SELECT uid(n, 'conv'), uid(1 + n / %(each)s, 'agent'), 'Order ' || n, uid(1, 'org'),
            at(100000 + n), at(100000 + n)
        FROM generate_series(0, %(conversations)s - 1) n;
    INSERT INTO block (id, label, value, organization_id, created_at, updated_at)
        SELECT uid(%(agents)s + n, 'block'), 'human', 'Customer ' || n, uid(1, 'org'),
            at(100000 + n), at(100000 + n)
        FROM generate_series(1, %(conversations)s - 1, 2) n;
    INSERT INTO blocks_conversations
        SELECT uid(n, 'conv'), uid(%(agents)s + n, 'block'), 'human'
        FROM generate_series(1, %(conversations)s - 1, 2) n;
    INSERT INTO messages (id, agent_id, role, content, organization_id, conversation_id,
            created_at, updated_at, tool_returns)
        SELECT uid(n, 'message'), uid(1 + n / %(messages_each)s / %(each)s, 'agent'),
            CASE WHEN mod(n, %(messages_each)s) = 0 THEN 'system'
                 WHEN mod(n, 2) = 0 THEN 'assistant' ELSE 'user' END,
            words(n), uid(1, 'org'), uid(n / %(messages_each)s, 'conv'), at(n), at(n), '[]'
        FROM generate_series(0, %(messages)s - 1) n;
    INSERT INTO conversation_messages (conversation_id, agent_id, message_id, position)
        SELECT conversation_id, agent_id, id, mod(sequence_id - 1, %(messages_each)s)
        FROM messages;
    ANALYZE;
"""
FILLED = (
    "message",
    "conversationmessage",
    "conversation",
    "block",
    "blockrevision",
    "isolatedblock",
    "readingperiod",
    "agent",
    "agentblock",
)


def main() -> None:
    from benchmarks.run import administer, url_of  # noqa: PLC0415
    from tests.postgres import postgres  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    options = parser.parse_args()
    names = ("conversations_bench_v1", "conversations_bench_import")
    with postgres() as url:
        for name in names:
            administer(url, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
        try:
            source, target = (url_of(url, name) for name in names)
            conversations = generate(source, options.messages)
            print(f"\n{options.messages:,} messages in {conversations:,} conversations\n")
            measure(source, target)
        finally:
            for name in names:
                administer(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def generate(url: str, messages: int) -> int:
    """Fill a V1 database; return the number of conversations."""
    from tests.transfer.letta_database.v1 import SCHEMA  # noqa: PLC0415

    conversations = messages // MESSAGES_EACH
    values = {
        "messages": messages,
        "messages_each": MESSAGES_EACH,
        "conversations": conversations,
        "each": CONVERSATIONS_EACH,
        "agents": -(-conversations // CONVERSATIONS_EACH),
    }
    statements = WORLD
    for name, value in values.items():
        statements = statements.replace(f"%({name})s", str(value))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA.read_bytes())
        connection.execute(statements.encode())
    return conversations


def measure(source: str, target: str) -> None:
    environment = {**os.environ, "DATABASE_URL": target, "PYTHONUNBUFFERED": "1"}
    manage = [sys.executable, "manage.py"]
    subprocess.run([*manage, "migrate", "--verbosity", "0"], cwd=ROOT, env=environment, check=True)
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*manage, "import_letta", "--from", source],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Its progress lines mark the ends of checking and inserting.
    checked = inserted = 0.0
    last = ""
    for last in process.stderr:
        now = time.perf_counter()
        checked = checked or (now if " rows " in last else 0.0)
        inserted = inserted or (now if re.search(r": \d+ imported$", last) else 0.0)
    _, status, usage = os.wait4(process.pid, 0)
    ended = time.perf_counter()
    if status or not last.startswith("Verified"):
        raise SystemExit(f"The import failed: {last}")
    rows, seconds, size = copy_again(target)
    print(f"{'':24}{'seconds':>10}{'rows/s':>12}")
    for name, took in {
        "check rows": checked - begun,
        "insert": inserted - checked,
        "verify": ended - inserted,
        "total": ended - begun,
        "plain COPY": seconds,
    }.items():
        print(f"{name:24}{took:>10.1f}{rows / took:>12,.0f}")
    print(f"\n{rows:,} rows, {size / 2**20:,.0f} MiB in COPY's format")
    print(f"insert / plain COPY: {(inserted - checked) / seconds:.1f}")
    print(f"processor time of the import: {usage.ru_utime + usage.ru_stime:.1f} s")
    print(f"peak memory of the import: {usage.ru_maxrss / 1024:.0f} MiB", flush=True)


def copy_again(url: str) -> tuple[int, float, int]:
    """Copy the imported rows into identical tables; return rows, seconds and bytes."""
    rows = size = 0
    begun = time.perf_counter()
    with psycopg.connect(url) as reader, psycopg.connect(url) as writer:
        for name in FILLED:
            table = sql.Identifier(f"conversations_{name}")
            again = sql.Identifier(f"again_{name}")
            like = sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(again, table)
            writer.execute(like)
            out = sql.SQL("COPY {} TO STDOUT").format(table)
            into = sql.SQL("COPY {} FROM STDIN").format(again)
            with reader.cursor().copy(out) as data, writer.cursor().copy(into) as copy:
                for block in data:
                    size += len(block)
                    rows += 1
                    copy.write(block)
        writer.commit()
    return rows, time.perf_counter() - begun, size


if __name__ == "__main__":
    main()
