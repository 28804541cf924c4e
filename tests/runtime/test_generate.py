"""A prompt without a turn, and messages that were exchanged elsewhere."""

import pytest

from conversations.models import Message, Run

from ..factories import make_agent, make_run
from ..script import call, fail, say, script

pytestmark = pytest.mark.django_db(transaction=True)
CHAT = {
    "provider": "openai",
    "model": "gpt-4o",
    "request_messages": [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": [{"type": "text", "text": "I like tea"}]},
    ],
    "response_dict": {"role": "assistant", "content": "Noted"},
}


@pytest.fixture
def agent(alice):
    return make_agent(alice, labels=["human"], model_settings={"temperature": 0.5})


@pytest.fixture
def client(client_for, alice, model):
    return client_for(alice)


def test_generate_sends_the_prompt_alone(client, agent, model):
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    body = {"prompt": say("hi"), "system_prompt": "Be brief.", "response_schema": schema}

    reply = client.post(f"/v1/agents/{agent.pk}/generate", body)

    assert (reply.status_code, reply.json()["content"]) == (200, "hi")
    assert reply.json()["model"] == "gpt-4o-mini"
    assert reply.json()["usage"]["total_tokens"] > 0
    [sent] = model.requests
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert (sent["messages"][0]["content"], sent["temperature"]) == ("Be brief.", 0.5)
    assert sent["response_format"]["json_schema"]["schema"] == schema
    assert "tools" not in sent
    assert not Run.objects.exists()
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"prompt": " \n"}, 422),
        ({"prompt": "x", "override_model": "no-slash"}, 400),
        ({"prompt": "x", "override_model": "nowhere/model"}, 404),
        ({"prompt": fail(400)}, 400),
        ({"prompt": fail(401)}, 401),
    ],
)
def test_generate_names_what_is_wrong(client, agent, body, status):
    reply = client.post(f"/v1/agents/{agent.pk}/generate", body)

    assert reply.status_code == status


def test_captured_messages_are_read_by_the_next_turn(client, agent, model):
    captured = client.post(f"/v1/agents/{agent.pk}/messages/capture", CHAT)

    assert captured.json() == {"success": True, "messages_created": 2, "run_ids": []}
    assert not Run.objects.exists()
    client.post(f"/v1/agents/{agent.pk}/messages", {"input": say("ok")})
    texts = [message["content"] for message in model.requests[-1]["messages"][1:]]
    assert texts == ["I like tea", "Noted", say("ok")]
    listed = client.get(f"/v1/agents/{agent.pk}/messages").json()
    assert [m["message_type"] for m in listed] == [
        "system_message",
        *["user_message", "assistant_message"] * 2,
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"request_messages": "x"},
        {"response_dict": None},
        {"request_messages": [], "response_dict": {}},
        {"provider": "p" * 101},
    ],
)
def test_capture_of_something_else_stores_nothing(client, agent, changes):
    reply = client.post(f"/v1/agents/{agent.pk}/messages/capture", {**CHAT, **changes})

    assert reply.status_code == 422
    assert Message.objects.count() == 1


def test_capture_conflicts_with_a_turn(client, agent):
    make_run(agent.conversations.get(), status="running")

    reply = client.post(f"/v1/agents/{agent.pk}/messages/capture", CHAT)

    assert reply.status_code == 409
    assert Message.objects.count() == 1


def test_capture_conflicts_with_a_pending_approval(client, agent, alice):
    path = f"/v1/agents/{agent.pk}/messages"
    text = script(call("weather"), say("ok"))
    client.post(path, {"input": text, "client_tools": [{"name": "weather"}]})

    reply = client.post(f"{path}/capture", CHAT)

    assert reply.status_code == 409
    assert reply.json()["detail"]["code"] == "PENDING_APPROVAL"
