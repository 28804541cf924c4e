"""Lines of the log: what they name, and how failures look."""

import json
import logging

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError

from conversations.context import ContextFilter, bound
from project.logs import ExpectedFailures, JSONFormatter, PlainFormatter

from ..runtime.processes import until
from ..sdk.server import live_server
from .test_intake import ask


def written(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    for each in (ContextFilter(), ExpectedFailures()):
        each.filter(record)
    return formatter.format(record)


def record_of(error: Exception | None = None, message: str = "Something failed"):
    exc_info = None
    if error is not None:
        try:
            raise error
        except Exception as raised:
            exc_info = (type(raised), raised, raised.__traceback__)
    return logging.LogRecord("some.logger", logging.ERROR, __file__, 1, message, (), exc_info)


@pytest.mark.parametrize("formatter", [PlainFormatter(), JSONFormatter()])
@pytest.mark.parametrize("error", [OperationalError("gone\nSELECT 1"), PermissionDenied("no")])
def test_expected_failure_is_one_line(formatter, error):
    line = written(formatter, record_of(error))

    assert "\n" not in line
    assert f"Something failed: {str(error).splitlines()[0]}" in line
    assert "SELECT" not in line


def test_cause_that_the_message_has_is_not_repeated():
    line = written(
        PlainFormatter(), record_of(PermissionDenied("no access"), "It failed: no access")
    )

    assert line.endswith("It failed: no access")


@pytest.mark.parametrize("formatter", [PlainFormatter(), JSONFormatter()])
def test_bug_has_its_traceback(formatter):
    assert "Traceback" in written(formatter, record_of(ZeroDivisionError("bug")))


def test_message_cannot_forge_a_line():
    line = written(PlainFormatter(), record_of(message="one\n2026-01-01 INFO two"))

    assert "\n" not in line


def test_line_names_request_organization_and_run():
    with bound(request_id="r-1", organization="org-1", run="run-1"):
        plain = written(PlainFormatter(), record_of())
        entry = json.loads(written(JSONFormatter(), record_of()))

    assert plain.endswith("Something failed request_id=r-1 organization=org-1 run=run-1")
    assert (entry["level"], entry["logger"]) == ("ERROR", "some.logger")
    assert (entry["request_id"], entry["organization"], entry["run"]) == ("r-1", "org-1", "run-1")
    assert "conversation" not in entry


def test_server_logs_json_lines_of_requests():
    with live_server(LOG_FORMAT="json", FORWARDED_ALLOW_IPS="127.0.0.1") as server:
        world = server.make_world("logs")["logs"]
        ask(server, "/v1/agents/?name=secret", world["key"])
        ask(server, "/v1/nowhere%0Aforged", world["key"])
        until(
            lambda: server.log.read_text().count('"project.requests"') == 2,
            seconds=30,
            what="the requests are logged",
        )
        lines = server.log.read_text().splitlines()

    entries = [json.loads(line) for line in lines if line.startswith("{")]
    requests = [entry for entry in entries if entry["logger"] == "project.requests"]
    found, missing = requests
    assert (found["method"], found["path"], found["status"]) == ("GET", "/v1/agents/", 200)
    assert found["duration_ms"] > 0
    assert found["organization"].startswith("org-")
    assert (found["address"], len(found["request_id"])) == ("127.0.0.1", 32)
    assert (missing["status"], missing["path"]) == (404, "/v1/nowhere%0Aforged")
    assert not any("secret" in line for line in lines)
    assert len(entries) == len(lines)
