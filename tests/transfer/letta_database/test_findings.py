"""Rows that can't be stored as they are: repaired, imported in part, or left behind, and listed."""

import json

import pytest
from django.core.management import CommandError, call_command

from conversations.domain.integrity.check import find_breaches
from conversations.ids import new_id
from conversations.models import Agent, Block, Conversation, Message, Run, Step

from .v1 import V1

pytestmark = pytest.mark.django_db


@pytest.fixture
def imported(v1: V1, capsys):
    """Return a function that imports; it returns the output, and the error if there is one."""

    def run(*arguments: str) -> tuple[str, str | None]:
        error = None
        try:
            call_command("import_letta", "--from", v1.url, *arguments)
        except CommandError as caught:
            error = str(caught)
        assert list(find_breaches()) == []
        return capsys.readouterr().out, error

    return run


LEFT_BEHIND = {
    "a role": ("role", "boss", "role is 'boss'; expected one of system, user"),
    "a part": ("content", [{"text": "x"}], "content has a part without a type"),
    "no list": ("content", {"a": 1}, 'content: expected an array, got {"a": 1}'),
    "a call": ("tool_calls", [{"id": "x"}], "tool_calls has a call without a name"),
    "a call without id": (
        "tool_calls",
        [{"function": {"name": "x", "arguments": "{}"}}],
        "tool_calls has a call without an id",
    ),
    "no returns": ("tool_returns", ["x"], "tool_returns has an item that is no object"),
    "an id": ("id", "message-1", "expected an id like message-<uuid4> in lower case"),
}


@pytest.mark.parametrize(("column", "value", "problem"), LEFT_BEHIND.values(), ids=LEFT_BEHIND)
def test_message_that_cannot_be_stored_is_left_behind(
    v1, imported, tmp_path, column, value, problem
):
    agent = v1.agent()
    conversation = v1.conversation(agent, "sound")
    message = v1.message(agent, "hello", conversation=conversation, position=7, **{column: value})
    path = tmp_path / "rest.jsonl"

    planned, no_error = imported("--dry-run")
    output, error = imported()
    again, announced = imported("--sidecar", str(path))

    [line] = [line for line in output.splitlines() if line.endswith("; left behind")]
    assert line.startswith(f"{message}: {problem}")
    assert line in planned
    assert line in again
    assert error.startswith("1 rows are left behind or imported in part")
    assert (no_error, announced) == (None, None)
    stored = Conversation.objects.get(pk=conversation).messages
    assert [each.text for each in stored.exclude(role="system")] == ["sound"]
    rows = [json.loads(row) for row in path.read_text().splitlines()]
    assert [r["row"]["id"] for r in rows if r["table"] == "messages"] == [message]


REPAIRED = {
    "a NUL": ([{"type": "text", "text": "a\0b"}], "a\ufffdb"),
    "half a character": ([{"type": "text", "text": "a\ud800b"}], "a\ufffdb"),
    "an escaped backslash": ([{"type": "text", "text": "a\\u0000 🍵"}], "a\\u0000 🍵"),
}


@pytest.mark.parametrize(("content", "text"), REPAIRED.values(), ids=REPAIRED)
def test_characters_that_cannot_be_stored_are_replaced(v1, imported, content, text):
    agent = v1.agent()
    message = v1.message(agent, "", content=content)

    output, error = imported()

    assert error is None
    assert Message.objects.get(pk=message).text == text
    assert (message in output) == ("\ufffd" in text)


def test_every_finding_is_reported_in_one_pass(v1, imported):
    agent = v1.agent(
        name="n" * 300,
        timezone="Mars/Base",
        embedding_config={"handle": "x" * 300},
        llm_config={"handle": "a/" + "m" * 300},
        metadata_=["no object"],
        tool_rules={"no": "list"},
    )
    long_block = v1.block("l" * 300, "text", agent=agent, template_name="t" * 300)
    unnamed = v1.message(agent, "hello", name="x" * 201)
    unknown = v1.message(agent, "hello", role="boss")
    stray = v1.run(agent, metadata_=[1])

    planned, _ = imported("--dry-run")
    output, error = imported()

    def lines_about(row_id: str) -> list[str]:
        return [line for line in planned.splitlines() if line.startswith(row_id)]

    assert set(planned.splitlines()) <= set(output.splitlines())
    assert [len(lines_about(each)) for each in (long_block, unnamed, unknown, stray)] == [
        *(2, 1, 1, 1)
    ]
    assert len(lines_about(agent)) == 6
    assert error.startswith("3 rows are left behind or imported in part")
    stored = Agent.objects.get()
    assert (stored.timezone, stored.metadata, len(stored.name)) == ("UTC", {}, 200)
    assert len(stored.embedding) == len(stored.model) == 200
    assert stored.block_links.get().label == Block.objects.get().label
    assert Message.objects.get(pk=unnamed).name.startswith("x" * 180)


def test_what_belongs_to_a_row_left_behind_is_left_with_it(v1, imported, tmp_path):
    sound, odd = v1.agent(), v1.agent(id="agent-1")
    v1.conversation(odd, "lost")
    odd_block = v1.block("human", "lost", agent=sound, id="block-1")
    run = v1.run(sound, id="run-1")
    step = v1.step(run)
    conversation = v1.conversation(sound, "kept")
    message = v1.message(sound, "kept too", run_id=run, step_id=step)
    v1.isolate(conversation, "todo", "lost", id="block-2")
    path = tmp_path / "rest.jsonl"

    output, error = imported("--sidecar", str(path))

    assert error is None
    for each in (odd, odd_block, run, step, "block-2"):
        assert f"\n{each}: " in f"\n{output}"
    assert Agent.objects.get().pk == sound
    assert [model.objects.count() for model in (Block, Run, Step)] == [0, 0, 0]
    assert Message.objects.get(pk=message).run_id is None
    rows = [json.loads(row) for row in path.read_text().splitlines()]
    tables = {row["table"] for row in rows}
    assert {"agents", "conversations", "messages", "block", "runs", "steps"} <= tables
    texts = [r["row"]["content"][0]["text"] for r in rows if r["table"] == "messages"]
    assert sorted(texts) == ["Old prompt", "lost"]


def test_repaired_rows_are_equal_when_imported_again(v1, imported):
    agent = v1.agent(name="n" * 300, timezone="nowhere")
    v1.block("l" * 300, "text", agent=agent)
    v1.message(agent, "", content=[{"type": "text", "text": "a\0b"}])
    imported()
    first = Agent.objects.values().get(), list(Block.objects.values())

    _, error = imported()

    assert error is None
    assert (Agent.objects.values().get(), list(Block.objects.values())) == first


def test_two_organizations_with_the_same_long_name_are_imported(v1, imported):
    for _ in range(2):
        v1.insert("organizations", id=new_id("org"), name="o" * 300)

    _, error = imported()

    assert error is None
