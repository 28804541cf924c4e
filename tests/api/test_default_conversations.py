"""Default conversations, and the edits that make other prompts stale."""

import pytest

from conversations.domain.conversations.agents import attach_block, detach_block
from conversations.domain.memory.blocks import write_block

from ..factories import actor, make_agent, make_block, make_conversation
from .stored_rows import stored


def test_default_conversation_is_created_and_not_listed(client_for, alice):
    agent = make_agent(alice)

    reply = client_for(alice).get("/v1/conversations/?archive_status=all&show_hidden=true")

    assert reply.json() == []
    assert agent.conversations.get().is_default


def test_default_conversation_cannot_be_deleted(client_for, alice):
    default = make_agent(alice).conversations.get()
    before = stored()

    reply = client_for(alice).delete(f"/v1/conversations/{default.pk}")

    assert reply.status_code == 409
    assert reply.json() == {
        "detail": f"Conversation '{default.pk}' is the default one of agent "
        f"'{default.agent_id}' and lives as long as the agent"
    }
    assert stored() == before


def change_a_shared_block(agent, user):
    write_block(agent.blocks.get(), by=actor(user), value="news")


def change_the_tags_of_a_shared_block(agent, user):
    write_block(agent.blocks.get(), by=actor(user), tags=["news"])


def attach(agent, user):
    attach_block(agent, make_block(user, label="news"), by=actor(user))


def detach(agent, user):
    detach_block(agent, agent.blocks.get(), by=actor(user))


@pytest.mark.parametrize(
    "change", [change_a_shared_block, change_the_tags_of_a_shared_block, attach, detach]
)
def test_block_edit_makes_other_conversations_stale(client_for, alice, change):
    agent = make_agent(alice, labels=["human"])
    other = make_conversation(agent)
    default = agent.conversations.get(is_default=True)
    client = client_for(alice)

    change(agent, alice)

    stale = [
        client.get(f"/v1/conversations/{conversation.pk}").json()["stale"]
        for conversation in (default, other)
    ]
    assert stale == [False, True]
    client.post(f"/v1/conversations/{other.pk}/recompile")
    assert client.get(f"/v1/conversations/{other.pk}").json()["stale"] is False


def test_new_system_prompt_makes_other_conversations_stale(client_for, alice):
    """V1 changed no stored prompt until a recompile."""
    agent = make_agent(alice)
    other = make_conversation(agent)
    default = agent.conversations.get(is_default=True)
    client = client_for(alice)

    client.patch(f"/v1/agents/{agent.pk}", {"system": "You sell tea."})

    answers = [client.get(f"/v1/conversations/{c.pk}").json() for c in (default, other)]
    assert [answer["stale"] for answer in answers] == [False, True]
    assert default.messages.get().text.startswith("You sell tea.")
