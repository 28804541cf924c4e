"""The page /metrics of a real server, and what it counts."""

import http.client
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from ..runtime.processes import process, until
from ..sdk.server import Server, live_server, run
from .test_intake import ask

TOKEN = "a-secret-of-the-operator"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with live_server(METRICS_TOKEN=TOKEN) as running:
        yield running


def scrape(url: str, token: str = TOKEN) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
    response = connection.getresponse()
    return response.status, response.read().decode()


def value(text: str, name: str, **labels: str) -> float:
    """Return the sum of the samples with this name and these labels."""
    total = 0.0
    for line in text.splitlines():
        if found := re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line):
            given = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
            if found[1] == name and labels.items() <= given.items():
                total += float(found[3])
    return total


@pytest.mark.parametrize("token", ["", "wrong", f"{TOKEN}x"])
def test_metrics_need_the_token(server, token):
    status, text = scrape(server.url, token)

    assert status == 401
    assert "palimpsest" not in text


def test_requests_turns_and_tokens_are_counted(server):
    world = server.make_world("metrics-history")["metrics-history"]
    path = f"/v1/agents/{world['agent']}/messages"
    body = b'{"messages": [{"role": "user", "content": "hello"}]}'

    assert ask(server, path, world["key"], method="POST", body=body)[0] == 200
    assert ask(server, "/v1/agents/agent-nonsense", world["key"])[0] == 422

    def text() -> str:
        return scrape(server.url)[1]

    until(
        lambda: value(text(), "palimpsest_requests_total", status="422") == 1,
        seconds=30,
        what="the requests are counted",
    )
    found = text()
    route = "v1/agents/<agent_id:agent_id>/messages"
    assert value(found, "palimpsest_requests_total", route=route, status="200") == 1
    assert value(found, "palimpsest_request_seconds_count", route=route) == 1
    assert value(found, "palimpsest_turns_total", status="completed") == 1
    assert value(found, "palimpsest_turn_seconds_count") == 1
    assert value(found, "palimpsest_tokens_total", kind="prompt") > 0
    assert value(found, "palimpsest_run_retries_total") == 0
    assert value(found, "palimpsest_leases") == 0
    assert value(found, "palimpsest_database_up") == 1
    assert value(found, "palimpsest_requests_in_progress") == 1
    assert world["agent"] not in found


def test_waiting_runs_show_without_a_worker():
    with live_server(METRICS_TOKEN=TOKEN, RUN_TURNS_IN_WEB="false") as server:
        world = server.make_world("waiting-history")["waiting-history"]
        path = f"/v1/agents/{world['agent']}/messages/async"
        body = b'{"messages": [{"role": "user", "content": "hello"}]}'

        assert ask(server, path, world["key"], method="POST", body=body)[0] == 200

        text = scrape(server.url)[1]
        assert value(text, "palimpsest_runs", status="created") == 1
        assert value(text, "palimpsest_runs_waiting_seconds") > 0
        assert value(text, "palimpsest_runs", status="running") == 1


def test_server_without_token_has_no_metrics():
    with live_server() as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
        connection.request("GET", "/metrics")

        assert connection.getresponse().status == 404


def test_worker_serves_its_own_metrics(server):
    with process(
        "manage.py",
        "run_worker",
        "--metrics",
        "127.0.0.1:0",
        variables=server.environment | {"METRICS": "true"},
        ready="waiting for turns",
    ) as running:
        [line] = [line for line in running.lines if line.startswith("Metrics")]

        status, text = scrape(line.split()[1])

    assert status == 200
    assert "palimpsest_leases 0.0" in text


def test_worker_needs_metrics_enabled(server):
    environment = server.environment | {"METRICS_TOKEN": ""}

    with pytest.raises(RuntimeError, match="CONVERSATIONS\\['METRICS'\\] is False"):
        run("manage.py", "run_worker", "--metrics", "127.0.0.1:0", environment=environment)
