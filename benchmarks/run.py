"""Time the API over HTTP and the same SQL statements sent by psycopg.

`make bench` runs this. It starts PostgreSQL (or uses the server of DATABASE_URL), fills a new
database with 2,000 and then 200,000 conversations of one agent, half of them with two isolated
blocks, and times each operation with one client. The column "SQL" times the statements that the
operation sends, captured in this process and replayed over one psycopg connection in the same run;
writes are rolled back. On shared machines, compare the ratios rather than the times.
"""

import argparse
import http.client
import json
import os
import resource
import secrets
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.postgres import postgres  # noqa: E402

DATABASE = "conversations_bench"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 200_000])
    parser.add_argument("--seconds", type=float, default=2.0, help="per operation and size")
    parser.add_argument("--console", action="store_true", help="only time the console")
    options = parser.parse_args()
    with postgres() as url:
        administer(url, f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}")
        try:
            run(url_of(url, DATABASE), options)
        finally:
            administer(url, f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def administer(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def url_of(url: str, database: str) -> str:
    address, mark, query = url.partition("?")
    return f"{address.rpartition('/')[0]}/{database}{mark}{query}"


def run(url: str, options) -> None:
    os.environ |= {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "SECRET_KEY": secrets.token_urlsafe(50),  # the server reads sessions created here
        "REQUESTS_PER_MINUTE": "1000000000",
        "KEY_REQUESTS_PER_MINUTE": "1000000000",
        "LOG_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",  # static files are not collected
    }
    import django  # noqa: PLC0415 (the settings read DATABASE_URL)

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    from benchmarks.operations import World  # noqa: PLC0415 (needs the settings)

    call_command("migrate", verbosity=0)
    world = World()
    with server(url) as port, psycopg.connect(url, autocommit=True) as direct:
        for size in options.sizes:
            world.grow_to(size, direct)
            print(f"\n{size:,} conversations of one agent; one client\n")
            if options.console:
                continue
            print(f"{'':32}{'p50 ms':>8}{'p95 ms':>8}{'req/s':>8}{'SQL p50':>9}{'ratio':>7}")
            for name, prepare in world.operations():
                over_http = measure(http_caller(port, world.secret, prepare), options.seconds)
                statements = world.captured(prepare)
                by_hand = measure(sql_caller(direct, statements), options.seconds / 2)
                print(row(name, over_http, by_hand), flush=True)
            rebase_in_bulk(world)
        pages_of_console(world, port, options.seconds)


def pages_of_console(world, port: int, seconds: float) -> None:
    """Time the console's pages with the conversations created so far."""
    from benchmarks.console import BLOCKS, MESSAGES, Console  # noqa: PLC0415 (as above)
    from benchmarks.operations import TEXT  # noqa: PLC0415

    console = Console(world, TEXT)
    print(f"\nConsole: {MESSAGES:,} messages, {BLOCKS} isolated blocks\n", flush=True)
    print(f"{'':32}{'p50 ms':>8}{'p95 ms':>8}")
    for name, path in console.pages:
        times = measure(console.caller(port, path), seconds)
        p50, p95 = (statistics.quantiles(times, n=20)[i] * 1000 for i in (9, 18))
        print(f"{name:32}{p50:8.2f}{p95:8.2f}", flush=True)


def rebase_in_bulk(world) -> None:
    """Time one rebase of thousands of conversations; print its rate and memory growth."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    count = world.rebase_in_bulk()
    seconds = time.perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"\nRebase of {count:,} conversations: {seconds:.1f} s, {count / seconds:.0f} per s, "
        f"peak memory +{grown:.0f} MiB",
        flush=True,
    )


def measure(call: Callable[[], object], seconds: float) -> list[float]:
    """Call repeatedly for `seconds` after a short warm-up; return the seconds of each call."""
    for _ in range(10):
        call()
    times = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end or len(times) < 2:
        call()
        times.append(time.perf_counter() - start)
    return times


def http_caller(port: int, secret: str, prepare) -> Callable[[], object]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def call():
        method, path, body = prepare()
        connection.request(method, path, body and json.dumps(body), headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise SystemExit(f"{method} {path}: {response.status} {answer[:300]!r}")

    return call


def sql_caller(direct: psycopg.Connection, statements: list[str]) -> Callable[[], object]:
    writes = any(not statement.startswith("SELECT") for statement in statements)

    def call():
        if writes:
            direct.execute("BEGIN")
        for statement in statements:
            cursor = direct.execute(statement)
            if cursor.description:
                cursor.fetchall()
        if writes:
            direct.execute("ROLLBACK")

    return call


def row(name: str, over_http: list[float], by_hand: list[float]) -> str:
    p50, p95 = (statistics.quantiles(over_http, n=20)[i] * 1000 for i in (9, 18))
    sql = statistics.median(by_hand) * 1000
    rate = len(over_http) / sum(over_http)
    return f"{name:32}{p50:8.2f}{p95:8.2f}{rate:8.0f}{sql:9.2f}{p50 / sql:7.1f}"


class server:
    """Run the application under uvicorn on a free port, as in production."""

    def __init__(self, url: str):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.environment = {**os.environ, "DATABASE_URL": url}

    def __enter__(self) -> int:
        command = [sys.executable, "-m", "uvicorn", "project.asgi:application"]
        command += ["--host", "127.0.0.1", "--port", str(self.port), "--log-level", "warning"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                time.sleep(0.1)
            else:
                return self.port
        raise SystemExit("The server did not start.")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


if __name__ == "__main__":
    main()
