"""PostgreSQL stands still: requests end with 503, and others are served."""

import http.client
import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import psutil
import pytest

from ..postgres import new_postgres
from ..runtime.processes import until
from ..sdk.server import Server, live_server

TIMEOUTS = {
    "DATABASE_CONNECT_TIMEOUT": "2",
    "DATABASE_POOL_TIMEOUT": "2",
    "DATABASE_STATEMENT_TIMEOUT": "2",
    "DATABASE_RESPONSE_TIMEOUT": "3",
    "WEB_THREADS": "4",
}

pytestmark = [pytest.mark.postgres_only, pytest.mark.slow]


@pytest.fixture(scope="module")
def database() -> Iterator[tuple[str, int]]:
    with new_postgres() as started:
        yield started


@pytest.fixture(scope="module")
def server(database) -> Iterator[Server]:
    with live_server(DATABASE_URL=database[0], **TIMEOUTS) as running:
        yield running


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    first = psutil.Process(pid)
    processes = [first, *first.children()]
    try:
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def ask(server: Server, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.headers, response.read()


def test_frozen_database_is_503(server, database):
    key = server.make_world("frozen")["frozen"]["key"]
    authorized = {"Authorization": f"Bearer {key}"}
    assert ask(server, "/v1/agents/", **authorized)[0] == 200

    with frozen(database[1]), ThreadPoolExecutor(10) as threads:
        reads = [threads.submit(ask, server, "/v1/agents/", **authorized) for _ in range(8)]
        page = threads.submit(ask, server, "/admin/", Cookie=f"sessionid={'x' * 32}")
        assert ask(server, "/v1/health/")[0] == 200
        status, _, ready = ask(server, "/v1/ready/")
        assert (status, list(json.loads(ready)["checks"])) == (503, ["database"])
        assert ask(server, "/docs/")[0] == 200
        answers = [read.result() for read in reads]
        console = page.result()

    for status, headers, body in answers:
        assert (status, "detail" in json.loads(body)) == (503, True)
        assert int(headers["Retry-After"]) > 0
    assert console[0] == 503
    assert b"<h1>Not available</h1>" in console[2]
    until(
        lambda: ask(server, "/v1/agents/", **authorized)[0] == 200,
        seconds=60,
        what="the server reads again",
    )
    until(lambda: ask(server, "/v1/ready/")[0] == 200, seconds=60, what="it is ready again")
    assert "Traceback" not in server.log.read_text()
