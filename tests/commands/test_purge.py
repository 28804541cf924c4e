import os
import pty
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from conversations.domain.conversations.conversations import delete_conversation
from conversations.models import Conversation

from ..factories import actor, make_agent, make_conversation, make_messages
from ..runtime.processes import environment
from ..sdk.server import ROOT

GONE = """\
agents                0
conversations         1
messages              2
runs                  0
blocks                1
revisions             1
archives              0
passages              0
identities            0
"""
NOTHING = """\
agents                0
conversations         0
messages              0
runs                  0
blocks                0
revisions             0
archives              0
passages              0
identities            0
"""


@pytest.fixture
def deleted(alice) -> Conversation:
    """Create a conversation that was deleted ten days ago."""
    conversation = make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    make_messages(conversation, "hello")
    delete_conversation(conversation, by=actor(alice))
    ten_days_ago = timezone.now() - timedelta(days=10)
    Conversation.objects.filter(pk=conversation.pk).update(deleted_at=ten_days_ago)
    return conversation


def test_dry_run_prints_counts_and_removes_nothing(deleted, capsys):
    call_command("purge", "--older-than", "9", "--dry-run")

    out, err = capsys.readouterr()
    assert out == GONE
    assert err == "Dry run: nothing was removed.\n"
    assert Conversation.objects.filter(pk=deleted.pk).exists()


def test_purge_prints_counts_of_removed_rows(deleted, capsys):
    call_command("purge", "--older-than", "9")

    out, err = capsys.readouterr()
    assert out == GONE
    assert err == ""
    assert not Conversation.objects.filter(pk=deleted.pk).exists()


@pytest.mark.parametrize("arguments", [[], ["--older-than", "11"]])
def test_recently_deleted_rows_are_kept(deleted, capsys, arguments):
    call_command("purge", *arguments)

    assert capsys.readouterr().out == NOTHING
    assert Conversation.objects.filter(pk=deleted.pk).exists()


@pytest.mark.parametrize("days", ["-1", "soon", "1.5", "99999999999"])
def test_invalid_number_of_days_is_rejected(deleted, days):
    with pytest.raises(CommandError, match="expected a whole number of days from 0 to 36500"):
        call_command("purge", f"--older-than={days}")

    assert Conversation.objects.filter(pk=deleted.pk).exists()


def purge_on_terminal(model, answer: str, *arguments: str) -> subprocess.CompletedProcess:
    """Run the command with a terminal as its input, on which `answer` is typed."""
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    command = [sys.executable, "manage.py", "purge", "--older-than", "9", *arguments]
    try:
        return subprocess.run(
            command,
            cwd=ROOT,
            env=environment(model),
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(
    ("answer", "arguments", "removes"),
    [("no", [], False), ("", [], False), ("yes", [], True), ("no", ["--yes"], True)],
)
def test_terminal_is_asked_for_confirmation(
    transactional_db, model, deleted, answer, arguments, removes
):
    done = purge_on_terminal(model, answer, *arguments)

    assert (done.returncode == 0, Conversation.objects.filter(pk=deleted.pk).exists()) == (
        removes,
        not removes,
    )
    # What will be removed is told before the question.
    assert ("conversations         1" in done.stderr) == (not arguments)
    assert ("conversations         1" in done.stdout) == removes
