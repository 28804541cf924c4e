"""Compare the processor time of requests with and without row-level security.

`python benchmarks/row_security.py`. One server connects as the owner of the tables, whom PostgreSQL
exempts, another as the role that `row_security enable` creates. They get the same requests in
turns. The processor time of a request is that of the server and of its database connections.
"""

import argparse
import os
import statistics
import sys
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
ROLE = "bench_app"
ROUNDS = 20


def main() -> None:
    from benchmarks.run import DATABASE, administer, url_of  # noqa: PLC0415
    from tests.postgres import postgres  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--conversations", type=int, default=20_000)
    parser.add_argument("--only", help="the operations whose names begin so")
    parser.add_argument("--requests", type=int, default=50, help="per operation and round")
    options = parser.parse_args()
    with postgres() as url:
        administer(url, f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}")
        try:
            run(url_of(url, DATABASE), options)
        finally:
            administer(url, f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            administer(url, f"DROP ROLE IF EXISTS {ROLE}")


def run(url: str, options) -> None:
    os.environ |= {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "LOG_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",
        "WEB_THREADS": "2",
    }
    import django  # noqa: PLC0415 (the settings read DATABASE_URL)

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    from benchmarks.operations import World  # noqa: PLC0415 (needs the settings)
    from benchmarks.run import http_caller, server  # noqa: PLC0415
    from conversations.domain import row_security  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    row_security.enable(ROLE, password="bench")
    world = World()
    separator = "&" if "?" in url else "?"
    exempt, subject = (
        server(f"{url}{separator}options=-c%20role%3D{role}%20-c%20application_name%3Dbench_{role}")
        for role in (url.partition("//")[2].partition("@")[0].partition(":")[0], ROLE)
    )
    with psycopg.connect(url, autocommit=True) as direct:
        world.grow_to(options.conversations, direct)
        with exempt as exempt_port, subject as subject_port:
            both = {exempt_port: exempt, subject_port: subject}
            names = [f"bench_{ROLE}" if port == subject_port else None for port in both]
            print(f"{'':32}{'without':>10}{'with':>10}{'ratio':>8}   (ms of processor time)")
            for name, prepare in operations(world, options.only):
                for port in both:
                    repeat(http_caller(port, world.secret, prepare), 30)
                times = ([], [])
                for number in range(ROUNDS):
                    for i in (0, 1) if number % 2 else (1, 0):
                        port, pid = list(both)[i], list(both.values())[i].process.pid
                        call = http_caller(port, world.secret, prepare)
                        before = processor_time(direct, pid, is_subject=names[i] is not None)
                        repeat(call, options.requests)
                        after = processor_time(direct, pid, is_subject=names[i] is not None)
                        times[i].append((after - before) / options.requests * 1000)
                without, with_ = (statistics.mean(series) for series in times)
                print(f"{name:32}{without:10.2f}{with_:10.2f}{with_ / without:8.2f}", flush=True)


def operations(world, beginning: str | None):
    search = ("search messages", lambda: ("POST", "/v1/messages/search", {"query": "Portuguese"}))
    every = [*world.operations(), search]
    return [pair for pair in every if pair[0].startswith(beginning or "")]


def repeat(call, times: int) -> None:
    for _ in range(times):
        call()


def processor_time(direct: psycopg.Connection, pid: int, *, is_subject: bool) -> float:
    """Return the seconds used so far by a server and its database connections."""
    rows = direct.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND (application_name = %s) = %s",
        [f"bench_{ROLE}", is_subject],
    )
    return sum(seconds(process) for process in [pid, *(row[0] for row in rows)])


def seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


if __name__ == "__main__":
    main()
