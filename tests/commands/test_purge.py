from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from conversations.domain.conversations.conversations import delete_conversation
from conversations.models import Conversation

from ..factories import actor, make_agent, make_conversation, make_messages

GONE = """\
agents                0
conversations         1
messages              2
runs                  0
blocks                1
revisions             1
"""
NOTHING = """\
agents                0
conversations         0
messages              0
runs                  0
blocks                0
revisions             0
"""


@pytest.fixture
def deleted(alice) -> Conversation:
    """Deleted ten days ago."""
    conversation = make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    make_messages(conversation, "hello")
    delete_conversation(conversation, by=actor(alice))
    ten_days_ago = timezone.now() - timedelta(days=10)
    Conversation.objects.filter(pk=conversation.pk).update(deleted_at=ten_days_ago)
    return conversation


def test_a_dry_run_prints_what_would_go_and_removes_nothing(deleted, capsys):
    call_command("purge", "--older-than", "9", "--dry-run")

    out, err = capsys.readouterr()
    assert out == GONE
    assert err == "Dry run: nothing is removed.\n"
    assert Conversation.objects.filter(pk=deleted.pk).exists()


def test_a_purge_prints_what_has_gone(deleted, capsys):
    call_command("purge", "--older-than", "9")

    out, err = capsys.readouterr()
    assert out == GONE
    assert err == ""
    assert not Conversation.objects.filter(pk=deleted.pk).exists()


@pytest.mark.parametrize("arguments", [[], ["--older-than", "11"]])
def test_what_was_deleted_lately_stays(deleted, capsys, arguments):
    call_command("purge", *arguments)

    assert capsys.readouterr().out == NOTHING
    assert Conversation.objects.filter(pk=deleted.pk).exists()


@pytest.mark.parametrize("days", ["-1", "soon", "1.5", "99999999999"])
def test_days_are_a_whole_number(deleted, days):
    with pytest.raises(CommandError, match="expected a whole number of days from 0 to 36500"):
        call_command("purge", f"--older-than={days}")

    assert Conversation.objects.filter(pk=deleted.pk).exists()
