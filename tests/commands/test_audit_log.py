import csv
import io
import json

import pytest
from django.core.management import CommandError, call_command

from conversations.domain.conversations.accounts import issue_key


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("audit_log", *words, stdout=out)
    return out.getvalue()


@pytest.fixture
def key(alice, mallory):
    issue_key(mallory)
    return issue_key(alice)[0]


def test_json_lines_are_in_order_of_time(key):
    lines = [json.loads(line) for line in run("--organization", "Acme").splitlines()]

    assert [line["action"] for line in lines] == ["member.created", "api_key.created"]
    assert lines[-1]["object_id"] == key.pk


def test_csv_has_a_header_and_json_in_cells(key):
    text = run("--organization", "Acme", "--action", "api_key.created", "--format", "csv")

    [row] = csv.DictReader(io.StringIO(text))
    assert (row["object_type"], json.loads(row["details"])["scope"]) == ("apikey", "write")


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--since", "2001-01-01"], 2),
        (["--until", "2001-01-01"], 0),
        (["--since", "2100-01-01T00:00:00Z"], 0),
    ],
)
def test_log_is_limited_by_time(key, words, count):
    assert len(run("--action", "api_key.created", *words).splitlines()) == count


def test_malformed_time_is_named(db):
    with pytest.raises(CommandError, match="expected a date or a time in ISO 8601, got 'soon'"):
        run("--since", "soon")
