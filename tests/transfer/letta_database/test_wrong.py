"""A V1 database that can't be brought is told so by its row, and nothing is written."""

import pytest
from django.core.management import CommandError, call_command

from conversations.models import Organization

from ...api.stored_rows import stored
from .v1 import DUMP, V1, load_dump, new_database

pytestmark = pytest.mark.django_db


def refused(url: str, *arguments: str) -> str:
    before = stored()
    with pytest.raises(CommandError) as error:
        call_command("import_letta", "--from", url, *arguments)
    assert stored() == before
    return str(error.value)


ROWS = {
    "a role": ("role", "boss", "role is 'boss'; expected one of system, user"),
    "a part": ("content", [{"text": "x"}], "content has a part without a type"),
    "no list": ("content", {"a": 1}, 'content is {"a": 1}; expected JSON of another type'),
    "a call": ("tool_calls", [{"id": "x"}], "tool_calls has a call without a name"),
    "a call without id": (
        "tool_calls",
        [{"function": {"name": "x", "arguments": "{}"}}],
        "tool_calls has a call without an id",
    ),
    "no returns": ("tool_returns", ["x"], "tool_returns has something else than objects"),
    "a NUL": (
        "content",
        [{"type": "text", "text": "a\0b"}],
        "content can't be stored: 0.text: has",
    ),
    "half a character": (
        "content",
        [{"type": "text", "text": "\ud800"}],
        "content can't be stored",
    ),
    "a long name": ("name", "x" * 201, "name has 201 characters; expected at most 200"),
    "an id": ("id", "message-1", "expected an id like message-<uuid4> in lower case"),
}


@pytest.mark.parametrize(("column", "value", "wrong"), ROWS.values(), ids=ROWS)
def test_a_row_that_cant_be_stored_is_named(v1: V1, column, value, wrong):
    agent = v1.agent()
    v1.thread(agent, "sound")
    message = v1.message(agent, "hello", **{column: value})

    told = refused(v1.url)

    assert told.startswith(f"messages {message}: {wrong}")


def test_a_zone_that_does_not_exist_is_named(v1):
    agent = v1.agent(timezone="Mars/Base")

    assert refused(v1.url).startswith(f"agents {agent}: timezone: expected an IANA name")


def test_a_label_that_cant_be_one_is_named(v1):
    block = v1.block("two words", "x", agent=v1.agent())

    assert refused(v1.url).startswith(f"block {block}: label 'two words' can't be a label here")


def test_an_unknown_revision_is_refused_with_advice(v1):
    v1.run("UPDATE alembic_version SET version_num = 'ffff'")

    told = refused(v1.url)

    assert "is at revision 'ffff'; known are 1c28e167b74f (Letta 0.16.8)" in told
    assert "--accept-revision ffff" in told
    call_command("import_letta", "--from", v1.url, "--accept-revision", "ffff")
    assert Organization.objects.exists()


def test_a_column_that_is_missing_is_named(v1):
    v1.run("ALTER TABLE messages DROP COLUMN sequence_id")

    assert "not a whole V1 database: table messages lacks sequence_id" in refused(v1.url)


def test_another_database_is_no_v1(v1_server):
    with new_database(v1_server) as url:
        assert "no V1 database: it has no table alembic_version" in refused(url)


def test_wrong_credentials(v1):
    url = v1.url.replace("postgres@", "nobody:very-secret@")

    told = refused(url)

    assert "Can't open the V1 database" in told
    assert "very-secret" not in told


@pytest.mark.parametrize("url", ["nonsense", "postgresql://127.0.0.1:1/x", "mysql://x/y"])
def test_no_database_there(url, db):
    assert "Can't open the V1 database" in refused(url)


def test_a_wrong_agent_id(v1):
    assert "--agent: expected agent-<uuid>, got 'x'" in refused(v1.url, "--agent", "x")


def test_a_sidecar_that_cant_be_written(v1, tmp_path):
    told = refused(v1.url, "--sidecar", str(tmp_path / "nowhere" / "rest.jsonl"))

    assert "--sidecar: can't write" in told


@pytest.mark.skipif(not DUMP.exists(), reason="the dump of a V1 database is not here")
@pytest.mark.parametrize("lines", [800, 2000])
def test_a_dump_that_was_cut_off(v1_server, lines):
    with new_database(v1_server) as url:
        load_dump(url, lines=lines)

        told = refused(url)

    assert "not a whole V1 database" in told or "not loaded to its end" in told
