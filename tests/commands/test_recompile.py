import pytest
from django.core.management import CommandError, call_command

from conversations.domain.conversations.conversations import delete_conversation
from conversations.domain.memory.blocks import write_block
from conversations.models import Conversation

from ..factories import actor, make_agent, make_conversation, make_member


def make_stale(agent) -> Conversation:
    """A conversation that isolates a label and then reads something else."""
    conversation = make_conversation(agent, isolated=["human"])
    block = conversation.isolated_blocks.get()
    write_block(block, by=actor(agent.created_by), value="likes tea")
    return conversation


def system_message(conversation) -> str:
    return conversation.messages.get(role="system").text


@pytest.fixture
def agent(alice):
    return make_agent(alice, labels=["human"])


def test_stale_conversations_say_what_memory_says_and_others_stay_as_they_are(agent, capsys):
    stale = make_stale(agent)
    current = make_conversation(agent)
    deleted = make_stale(agent)
    delete_conversation(deleted, by=actor())

    call_command("recompile", "--all")

    out, err = capsys.readouterr()
    assert out == f"{stale.pk}\n"
    assert err == "1 recompiled.\n"
    assert "likes tea" in system_message(stale)
    compiled_at = current.compiled_at
    current.refresh_from_db()
    assert current.compiled_at == compiled_at
    assert "likes tea" not in system_message(deleted)


def test_a_second_time_there_is_nothing_to_do(agent, capsys):
    make_stale(agent)
    call_command("recompile", "--all")
    capsys.readouterr()

    call_command("recompile", "--all")

    assert capsys.readouterr() == ("", "0 recompiled.\n")


def test_a_dry_run_names_them_and_writes_nothing(agent, capsys):
    stale = make_stale(agent)

    call_command("recompile", "--all", "--dry-run")

    assert capsys.readouterr() == (f"{stale.pk}\n", "1 would be recompiled.\n")
    assert "likes tea" not in system_message(stale)


def test_one_agent_or_one_organization_can_be_asked_for(agent, mallory, capsys):
    ours = make_stale(agent)
    colleagues = make_stale(make_agent(agent.created_by, labels=["human"]))
    theirs = make_stale(make_agent(mallory, labels=["human"]))

    call_command("recompile", "--agent", agent.pk, "--dry-run")
    assert capsys.readouterr().out.split() == [ours.pk]
    call_command("recompile", "--all", "--organization", "Elsewhere", "--dry-run")
    assert capsys.readouterr().out.split() == [theirs.pk]
    call_command("recompile", "--all", "--dry-run")
    assert set(capsys.readouterr().out.split()) == {ours.pk, colleagues.pk, theirs.pk}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the arguments --agent --all is required"),
        (["--agent", "support"], "Expected an id like agent-<uuid>, got 'support'"),
        (
            ["--agent", "agent-00000000-0000-4000-8000-000000000000"],
            "No agent has the id 'agent-00000000-0000-4000-8000-000000000000'",
        ),
        (["--all", "--organization", "Nowhere"], "No organization is called 'Nowhere'"),
    ],
)
def test_a_wrong_wish_is_explained(agent, arguments, message):
    with pytest.raises(CommandError, match=message):
        call_command("recompile", *arguments)


@pytest.mark.parametrize("count", [1, 4])
def test_finding_them_costs_the_same_queries_however_many_there_are(
    alice, django_assert_num_queries, count
):
    for _ in range(count):
        make_stale(make_agent(make_member(alice.organization), labels=["human"]))

    # A batch of conversations, the versions of their blocks; the empty next batch.
    with django_assert_num_queries(3):
        call_command("recompile", "--all", "--dry-run")
