import pytest

from conversations.domain.memory.blocks import write_block
from conversations.models import Conversation

from ..factories import actor, make_agent, make_conversation, make_messages
from .stored_rows import stored


def texts(client, conversation_id: str) -> list[str]:
    """Return the messages after the system message, oldest first."""
    messages = client.get(f"/v1/conversations/{conversation_id}/messages?order=asc").json()
    return [message["content"] for message in messages[1:]]


def value_of(client, conversation_id: str) -> str:
    [block] = client.get(f"/v1/conversations/{conversation_id}/blocks").json()
    return block["block"]["value"]


def test_fork_copies_isolated_blocks_and_shares_messages(client_for, alice):
    """V1 dropped the isolated blocks."""
    agent = make_agent(alice, labels=["human"])
    source = make_conversation(agent, isolated=["human"], summary="about tea", model="a/b")
    write_block(source.isolated_blocks.get(), by=actor(alice), value="Bob")
    [question, answer] = make_messages(source, "question", "answer")
    client = client_for(alice)

    reply = client.post(f"/v1/conversations/{source.pk}/fork").json()

    fork = Conversation.objects.get(pk=reply["id"])
    system = fork.message_links.get(position=0).message
    isolation, original = fork.isolations.get(), source.isolations.get()
    assert reply["in_context_message_ids"] == [system.pk, question.pk, answer.pk]
    assert reply["isolated_block_ids"] == [isolation.block_id]
    assert reply["forked_from"] == {"conversation_id": source.pk, "message_id": answer.pk}
    assert (reply["summary"], reply["model"], reply["stale"]) == (None, "a/b", False)
    assert system.pk != source.message_links.get(position=0).message_id
    assert f"- CONVERSATION_ID: {fork.pk}" in system.text
    assert "<value>\nBob\n</value>" in system.text
    assert isolation.block_id != original.block_id
    assert (isolation.block.value, isolation.base_value) == ("Bob", "about human")
    assert isolation.source_block_id == original.source_block_id == agent.blocks.get().pk
    assert isolation.base_version == original.base_version
    assert [(r.number, r.value, r.source) for r in isolation.block.revisions.all()] == [
        (1, "Bob", "fork")
    ]


def test_edit_in_fork_leaves_original_unchanged(client_for, alice):
    source = make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    client = client_for(alice)
    fork = client.post(f"/v1/conversations/{source.pk}/fork").json()

    client.patch(f"/v1/blocks/{fork['isolated_block_ids'][0]}", {"value": "Carol"})

    assert value_of(client, fork["id"]) == "Carol"
    assert value_of(client, source.pk) == "about human"


def test_fork_at_message_ends_there(client_for, alice):
    source = make_conversation(make_agent(alice))
    [_, second, _] = make_messages(source, "one", "two", "three")
    client = client_for(alice)

    fork = client.post(
        f"/v1/conversations/{source.pk}/fork?message_id={second.pk}&hidden=true"
    ).json()

    assert texts(client, fork["id"]) == ["one", "two"]
    assert fork["hidden"] is True
    assert fork["forked_from"] == {"conversation_id": source.pk, "message_id": second.pk}


def test_fork_at_message_of_other_conversation_is_404(client_for, alice):
    agent = make_agent(alice)
    source, other = make_conversation(agent), make_conversation(agent)
    [message] = make_messages(other, "elsewhere")
    before = stored()

    reply = client_for(alice).post(f"/v1/conversations/{source.pk}/fork?message_id={message.pk}")

    assert reply.status_code == 404
    assert reply.json() == {
        "detail": f"Message '{message.pk}' is not in conversation '{source.pk}'"
    }
    assert stored() == before


def test_forks_of_forks_share_messages_not_memory(client_for, alice):
    source = make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    make_messages(source, "one")
    client = client_for(alice)
    child = client.post(f"/v1/conversations/{source.pk}/fork").json()
    client.patch(f"/v1/blocks/{child['isolated_block_ids'][0]}", {"value": "child"})
    make_messages(Conversation.objects.get(pk=child["id"]), "two")

    grandchild = client.post(f"/v1/conversations/{child['id']}/fork").json()

    generations = [source.pk, child["id"], grandchild["id"]]
    assert [texts(client, pk) for pk in generations] == [["one"], ["one", "two"], ["one", "two"]]
    assert [value_of(client, pk) for pk in generations] == ["about human", "child", "child"]


def test_shared_messages_survive_deleted_original(client_for, alice):
    source = make_conversation(make_agent(alice))
    [message] = make_messages(source, "kept")
    client = client_for(alice)
    fork = client.post(f"/v1/conversations/{source.pk}/fork").json()

    client.delete(f"/v1/conversations/{source.pk}")

    assert texts(client, fork["id"]) == ["kept"]
    assert client.get(f"/v1/messages/{message.pk}").status_code == 200
    assert client.get(f"/v1/conversations/{fork['id']}").json()["forked_from"] == {
        "conversation_id": source.pk,
        "message_id": message.pk,
    }


@pytest.mark.parametrize("spelling", ["default?agent_id={agent}", "{agent}"])
def test_fork_of_default_conversation_is_not_default(client_for, alice, spelling):
    agent = make_agent(alice)
    make_messages(agent.conversations.get(), "hello")
    client = client_for(alice)
    name, _, query = spelling.format(agent=agent.pk).partition("?")

    fork = client.post(f"/v1/conversations/{name}/fork?{query}").json()

    assert texts(client, fork["id"]) == ["hello"]
    assert [c["id"] for c in client.get("/v1/conversations/").json()] == [fork["id"]]


def test_default_without_agent_id_is_404(client_for, alice):
    reply = client_for(alice).post("/v1/conversations/default/fork")

    assert reply.status_code == 404
    assert reply.json() == {
        "detail": "Conversation not found with id='default': name its agent in agent_id"
    }
