from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from conversations.domain.memory.blocks import write_block
from conversations.ids import new_id

from ..factories import actor, make_block


@pytest.fixture
def block(alice):
    block = make_block(alice, value="A")
    return write_block(block, by=actor(alice), value="B", reason="a better one")


def run(*words, **options) -> list[str]:
    out = StringIO()
    call_command("block", *words, stdout=out, stderr=StringIO(), **options)
    return out.getvalue().splitlines()


def test_history_prints_one_line_per_revision(block):
    lines = [line.split("\t") for line in run("history", block.pk)]

    assert [[line[0], *line[2:]] for line in lines] == [
        ["2", "api", "alice", "1 characters", "a better one"],
        ["1", "api", "alice", "1 characters", "-"],
    ]
    assert len(run("history", block.pk, "--limit", "1")) == 1


def test_history_diff_has_color_only_on_terminal(block):
    plain = run("history", block.pk, "--diff", "--limit", "1")
    colored = run("history", block.pk, "--diff", "--limit", "1", force_color=True)

    assert plain[1:] == ["--- revision 1", "+++ revision 2", "@@ -1 +1 @@", "-A", "+B"]
    assert [line.startswith("\x1b[") for line in colored] == [False, *[True] * 5]


def test_restore_writes_a_new_revision(block):
    assert run("restore", block.pk, "1", "--reason", "as before") == [f"{block.pk}\t3"]

    newest = block.revisions.first()
    assert (newest.number, newest.value, newest.source) == (3, "A", "restore")
    assert newest.reason == "as before"


def test_restore_dry_run_prints_diff_and_writes_nothing(block):
    assert run("restore", block.pk, "1", "--dry-run")[-2:] == ["-B", "+A"]
    assert block.revisions.count() == 2


def test_restore_of_current_text_writes_nothing(block):
    assert run("restore", block.pk, "2") == []
    assert block.revisions.count() == 2


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["history", "block-1"], "Expected an id like block-<uuid>, got 'block-1'."),
        (["history", new_id("block")], "No block has the id"),
        (["restore", "{block}", "0"], "expected a whole number from 1, got '0'"),
        (["restore", "{block}", "9"], "has no revision 9; its newest is 2"),
        (["restore", "{block}", "9", "--dry-run"], "has no revision 9; its newest is 2"),
        (["history", "{block}", "--limit", "many"], "expected a whole number"),
    ],
)
def test_invalid_arguments_are_rejected(block, words, error):
    with pytest.raises(CommandError, match=error):
        run(*[word.format(block=block.pk) for word in words])
