"""Resetting a default conversation moves its messages to a deleted conversation."""

import pytest

from conversations.domain.integrity.check import find_breaches
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.models import Agent, Conversation

from ..factories import make_agent
from ..script import call, hold, say, script
from .streams import send, texts


@pytest.fixture
def agent(alice) -> Agent:
    return make_agent(alice, labels=["human"], tools=BASE_TOOLS)


@pytest.fixture
def conversation(agent) -> Conversation:
    return agent.conversations.get(is_default=True)


def reset(client, agent):
    return client.patch(f"/v1/agents/{agent.pk}/reset-messages")


def test_reset_hides_messages_from_model_and_search(client_for, alice, agent, conversation, model):
    client = client_for(alice)
    send(client, conversation, "SAY the code is 4711")

    answer = reset(client, agent)

    assert answer.status_code == 200, answer.content
    assert answer.json()["id"] == agent.pk
    send(client, conversation, script(call("conversation_search", query="4711"), say("gone")))
    shown = model.requests[-1]["messages"]
    assert shown[-1]["content"] == "No message of this conversation contains '4711'"
    assert [message["role"] for message in shown] == ["system", "user", "assistant", "tool"]
    links = conversation.message_links.order_by("position")
    assert list(links.values_list("position", flat=True)) == [0, 1, 2, 3, 4]
    assert list(find_breaches()) == []


def test_reset_conversation_can_be_restored(client_for, alice, agent, conversation):
    client = client_for(alice)
    client.put(f"/v1/conversations/{conversation.pk}/isolated-blocks/human", {"value": "here only"})
    send(client, conversation, "SAY remember me")
    reset(client, agent)

    past = Conversation.objects.exclude(deleted_at=None).get()
    listed = client.get(f"/v1/conversations/?agent_id={agent.pk}").json()
    assert past.pk not in [conversation["id"] for conversation in listed]
    assert client.post(f"/v1/conversations/{past.pk}/restore").status_code == 200

    assert texts(past) == [("user", "SAY remember me"), ("assistant", "remember me")]
    [block] = client.get(f"/v1/conversations/{past.pk}/blocks").json()
    assert (block["origin"], block["block"]["value"]) == ("isolated", "here only")
    [kept] = client.get(f"/v1/conversations/{conversation.pk}/blocks").json()
    assert (kept["origin"], kept["block"]["value"]) == ("isolated", "here only")
    assert list(find_breaches()) == []


def test_reset_frees_otids(client_for, alice, agent, conversation):
    client = client_for(alice)
    message = {"role": "user", "content": "SAY hello", "otid": "first"}
    path = f"/v1/conversations/{conversation.pk}/messages"
    client.post(path, {"messages": [message], "streaming": False})
    reset(client, agent)

    again = client.post(path, {"messages": [message], "streaming": False})

    assert [sent["content"] for sent in again.json()["messages"]] == ["hello"]
    assert texts(conversation) == [("user", "SAY hello"), ("assistant", "hello")]


def test_reset_conflicts_with_active_run(
    client_for, alice, agent, conversation, in_thread, running_run, model
):
    client = client_for(alice)
    answer = in_thread(send, client_for(alice), conversation, script(hold(), say("slow")))
    run = running_run()

    refused = reset(client, agent)

    assert refused.status_code == 409
    assert refused.json()["run_id"] == run.pk
    model.go_on()
    assert answer().status_code == 200
    assert len(texts(conversation)) == 2
