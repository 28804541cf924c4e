import pytest
from django.core.management import CommandError, call_command

from conversations.domain.conversations.conversations import delete_conversation
from conversations.domain.memory.blocks import write_block
from conversations.models import Conversation

from ..factories import actor, make_agent, make_conversation, make_member


def make_stale(agent) -> Conversation:
    """Return a conversation whose isolated block changed after its prompt was compiled."""
    conversation = make_conversation(agent, isolated=["human"])
    block = conversation.isolated_blocks.get()
    write_block(block, by=actor(agent.created_by), value="likes tea")
    return conversation


def system_message(conversation) -> str:
    return conversation.messages.get(role="system").text


@pytest.fixture
def agent(alice):
    return make_agent(alice, labels=["human"])


def test_only_stale_live_conversations_are_recompiled(agent, capsys):
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


def test_second_run_recompiles_nothing(agent, capsys):
    make_stale(agent)
    call_command("recompile", "--all")
    capsys.readouterr()

    call_command("recompile", "--all")

    assert capsys.readouterr() == ("", "0 recompiled.\n")


def test_dry_run_prints_ids_and_writes_nothing(agent, capsys):
    stale = make_stale(agent)

    call_command("recompile", "--all", "--dry-run")

    assert capsys.readouterr() == (f"{stale.pk}\n", "1 would be recompiled.\n")
    assert "likes tea" not in system_message(stale)


def test_recompile_is_limited_to_agent_or_organization(agent, mallory, capsys):
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
        (["--agent", "support"], "agent-<uuid>"),
        (
            ["--agent", "agent-00000000-0000-4000-8000-000000000000"],
            "No agent",
        ),
        (["--all", "--organization", "Nowhere"], "Nowhere"),
    ],
)
def test_invalid_arguments_are_rejected(agent, arguments, message):
    with pytest.raises(CommandError, match=message):
        call_command("recompile", *arguments)


@pytest.mark.parametrize("count", [1, 4])
def test_query_count_does_not_grow_with_conversations(alice, django_assert_num_queries, count):
    for _ in range(count):
        make_stale(make_agent(make_member(alice.organization), labels=["human"]))

    # A batch of conversations, the versions of their blocks, the empty next batch.
    with django_assert_num_queries(3):
        call_command("recompile", "--all", "--dry-run")
