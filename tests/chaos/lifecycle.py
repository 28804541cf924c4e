"""Servers that end, run for long, are upgraded, or have no room left."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
from django.db import connection

from conversations.models import Message, Run

from ..runtime.processes import environment, process, until, web_server
from ..sdk.server import ROOT, run
from .world import Load, World, ask, check_acknowledged, check_rows, check_stream

SOAK = float(os.environ.get("SOAK", "180"))


def sigterm(world: World) -> tuple[str, str]:
    """SIGTERM of a web process under load; another process resumes its turns."""
    tenant = world.tenant(conversations=20)
    runs = Run.objects.filter(conversation__in=tenant.conversations, messages__role="tool")
    with web_server(world.model) as (_, other), web_server(world.model) as (stopped, url):
        load = Load(url, tenant, streaming=20, pause=1.5)
        with load.running():
            until(lambda: runs.count() == 20, seconds=60, what="the turns are under way")
            begun = time.monotonic()
            stopped.send_signal(signal.SIGTERM)
            load.stop()
            stopped.wait(60)
            seconds = time.monotonic() - begun
        resumed = resume_all(load, other)
    for stream in load.streams:
        check_stream(stream)
    check_acknowledged(load)
    check_rows()
    assert seconds <= 25, f"the process ended after {seconds:.1f} s"
    return (
        "3 readers, 3 writers, 20 turns of 30 s",
        f"ended after {seconds:.1f} s; {len(load.streams)} streams, {resumed} of them resumed from "
        "the other process, all complete; nothing acknowledged is lost",
    )


def resume_all(load: Load, url: str) -> int:
    """Resume at another process the streams that were told to; return how many."""
    resumed = 0
    for number, stream in enumerate(load.streams):
        if not stream.endswith(b"data: [DONE]\n\n"):
            assert b"starting_after" in stream, f"a stream was cut: …{stream[-300:]!r}"
            load.streams[number] = resume(url, load.tenant.key, stream)
            resumed += 1
    return resumed


def resume(url: str, key: str, stream: bytes) -> bytes:
    """Return a stream as its client has it after continuing it at another process."""
    events = [line for line in stream.decode().split("\n") if line.startswith("data: {")]
    run_id = next(json.loads(e[6:]).get("run_id") for e in events if "run_id" in e)
    last = max((json.loads(e[6:]).get("seq_id") or 0 for e in events), default=0)
    body = {"starting_after": last}
    rest = ask(url, key, "POST", f"/v1/runs/{run_id}/stream", body, timeout=120)
    assert rest.status == 200, rest
    return stream + rest.body


def soak(world: World) -> tuple[str, str]:
    """Mixed load for long, in one process with turns."""
    tenant = world.tenant()
    with web_server(world.model) as (server, url):
        load = Load(url, tenant, readers=2, writers=2, streaming=4)
        with load.running():
            time.sleep(max(30.0, SOAK / 5))
            before = usage(server.pid)
            time.sleep(SOAK)
            after = usage(server.pid)
        result = load.check()
    total = sum(map(len, load.answers.values()))
    statuses = {status for kind in load.answers for status in load.statuses(kind)}
    assert statuses == {200}, {kind: load.statuses(kind) for kind in load.answers}
    for name, slack in {"MiB": 16, "descriptors": 10, "threads": 5, "connections": 4}.items():
        assert after[name] <= before[name] + slack, f"{name}: {before[name]} → {after[name]}"
    flat = ", ".join(f"{name} {before[name]:.0f} → {after[name]:.0f}" for name in before)
    return f"2 readers, 2 writers, 4 streams, {SOAK:.0f} s", f"{total} requests; {flat}; {result}"


def usage(pid: int) -> dict[str, float]:
    server = psutil.Process(pid)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        [connections] = cursor.fetchone()
    return {
        "MiB": server.memory_info().rss / 2**20,
        "descriptors": server.num_fds(),
        "threads": server.num_threads(),
        "connections": connections,
    }


def upgrade(world: World) -> tuple[str, str]:
    """An upgrade under load: `migrate` while the old process serves, then a new one takes over."""
    tenant = world.tenant()
    with web_server(world.model) as (old, url), web_server(world.model) as (_, following):
        load = Load(url, tenant)
        with load.running():
            load.wait_for("stream", 6)
            run("manage.py", "migrate", "--verbosity", "0", environment=environment(world.model))
            load.wait_for("stream", 6)
            load.url = following
            old.send_signal(signal.SIGTERM)
            old.wait(60)
            load.wait_for("stream", 6)
        resumed = resume_all(load, following)
        result = load.check()
    statuses = {kind: load.statuses(kind) for kind in load.answers}
    assert all(set(each) == {200} for each in statuses.values()), statuses
    messages = Message.objects.count()
    return (
        f"3 readers, 3 writers, 6 streams; {messages:,} messages",
        f"no request failed; {result}, {resumed} of them resumed from the new process",
    )


def disk_full(world: World) -> tuple[str, str]:
    """A disk without room for SQLite's files."""
    size = 6 * 2**20
    database = world.folder / "full.sqlite3"
    variables = {
        **environment(world.model),
        "DATABASE_URL": f"sqlite:///{database}",
    }
    run("manage.py", "migrate", "--verbosity", "0", environment=variables)
    key = json.loads(run("-m", "tests.sdk.world", "full", environment=variables))["full"]["key"]
    limited = ("-c", LIMITED.format(size=size))
    with process(*limited, variables=variables, ready="running on") as server:
        url = re.search(r"running on (\S+)", "".join(server.lines))[1]
        stored: list[str] = []
        refused = 0
        for _ in range(200):
            value = {"label": "human", "value": "x" * 50_000}
            answer = ask(url, key, "POST", "/v1/blocks/", value)
            if answer.status == 200:
                stored.append(json.loads(answer.body)["id"])
            else:
                assert answer.status == 503, answer
                refused += 1
        assert refused, "the disk did not fill"
        assert stored, "nothing was stored"
        reads = [ask(url, key, "GET", f"/v1/blocks/{pk}").status for pk in stored]
        health = ask(url, "", "GET", "/v1/health/").status
    assert set(reads) == {200}, reads
    assert health == 200
    run("manage.py", "check_memory", environment=variables)
    return (
        f"200 blocks of 50 kB, files of at most {size // 2**20} MiB",
        f"{len(stored)} stored and readable, {refused} get 503, none is half-written; "
        "`check_memory` clean",
    )


# A write beyond the limit fails like one on a full disk.
LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
from project.server import serve
serve(port=0)
"""


def migrate_at_once(world: World) -> tuple[str, str]:
    """Several `migrate` of an empty database at once."""
    world.database.execute("DROP DATABASE IF EXISTS empty WITH (FORCE)")
    world.database.execute("CREATE DATABASE empty")
    variables = {
        **environment(world.model),
        "DATABASE_URL": world.database.url.replace("/postgres?", "/empty?"),
    }
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    running = [
        subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.PIPE) for _ in range(4)
    ]
    errors = [each.communicate(timeout=300)[1] for each in running]
    assert [each.returncode for each in running] == [0] * 4, errors
    world.database.execute("DROP DATABASE empty WITH (FORCE)")
    return "4 processes", "all exit with 0"
