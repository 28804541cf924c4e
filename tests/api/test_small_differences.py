"""Small things that programs for V1 rely on."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from conversations.models import Message

from ..factories import make_agent, make_conversation, make_run
from ..script import call, script
from ..transfer.agent_files.files import NEWER

pytestmark = pytest.mark.django_db
MODEL = "openai/gpt-4o-mini"


def test_initial_messages_follow_the_system_message(client_for, alice):
    client = client_for(alice)
    sequence = [{"role": role, "content": role} for role in ("assistant", "user", "assistant")]
    body = {"model": MODEL, "initial_message_sequence": sequence}
    agent = client.post("/v1/agents/", body).json()

    listed = client.get(f"/v1/agents/{agent['id']}/messages").json()

    assert [message["message_type"] for message in listed] == [
        "system_message",
        "assistant_message",
        "user_message",
        "assistant_message",
    ]
    assert [message["id"] for message in listed] == agent["message_ids"]


def test_agent_file_that_is_encoded_twice_is_imported(client_for, alice):
    text = json.dumps(json.dumps(NEWER))
    file = SimpleUploadedFile("agent.af", text.encode())

    reply = client_for(alice).post("/v1/agents/import", {"file": file}, format="multipart")

    assert reply.status_code == 200
    assert len(reply.json()["agent_ids"]) == 1


def test_import_names_a_model_without_provider(client_for, alice, model):
    file = SimpleUploadedFile("agent.af", json.dumps(NEWER).encode())

    reply = client_for(alice).post("/v1/agents/import", {"file": file}, format="multipart").json()

    [warning] = [text for text in reply["warnings"] if "no provider" in text]
    assert warning.startswith(f"{reply['agent_ids'][0]}: no provider is configured")


@pytest.mark.parametrize("content", ["", [], [{"type": "text", "text": ""}]])
def test_empty_message_is_rejected(client_for, alice, content):
    conversation = make_conversation(make_agent(alice))
    path = f"/v1/conversations/{conversation.pk}/messages"
    client = client_for(alice)
    message = {"messages": [{"role": "user", "content": content}], "streaming": False}

    replies = [client.post(path, message), client.post(path, {"input": content})]

    assert [reply.status_code for reply in replies] == [400, 400]
    assert not conversation.messages.exclude(role=Message.Role.SYSTEM).exists()


def test_message_as_input_is_named_in_the_error(client_for, alice):
    conversation = make_conversation(make_agent(alice))

    reply = client_for(alice).post(
        f"/v1/conversations/{conversation.pk}/messages",
        {"input": [{"role": "user", "content": "hi"}]},
    )

    assert reply.status_code == 422
    assert reply.json() == {"detail": "input.0.text: field required"}


@pytest.mark.parametrize("value", [0, 1, 0.0, "maybe"])
def test_number_is_no_boolean(client_for, alice, value):
    reply = client_for(alice).post("/v1/blocks/", {"label": "a", "read_only": value})

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith("read_only: expected true or false")


def test_agent_shows_why_its_newest_run_ended(client_for, alice):
    agent, other = make_agent(alice), make_agent(alice)
    conversation = make_conversation(agent)
    make_run(conversation, status="completed", stop_reason="max_steps")
    make_run(conversation, status="completed", stop_reason="end_turn")
    make_run(conversation, status="running")
    client = client_for(alice)

    shown = {row["id"]: row["last_stop_reason"] for row in client.get("/v1/agents/").json()}
    found = client.get("/v1/agents/?last_stop_reason=end_turn").json()

    assert shown == {agent.pk: "end_turn", other.pk: None}
    assert [row["id"] for row in found] == [agent.pk]


@pytest.mark.django_db(transaction=True)
def test_agent_shows_the_approval_that_it_waits_for(client_for, alice, model):
    client = client_for(alice)
    body = {"model": MODEL, "memory_blocks": [{"label": "human", "value": "x"}]}
    agent = client.post("/v1/agents/", body).json()
    path = f"/v1/agents/{agent['id']}"
    client.patch(f"{path}/tools/approval/memory_insert?requires_approval=true")
    text = script(call("memory_insert", label="human", new_string="y"))

    answer = client.post(f"{path}/messages", {"input": text}).json()
    waiting = client.get(f"{path}?include=agent.pending_approval").json()
    refused = client.post(f"{path}/messages", {"input": "hello"})
    unknown = {"type": "approval", "approve": True, "tool_call_id": "wrong"}
    wrong = client.post(
        f"{path}/messages", {"messages": [{"type": "approval", "approvals": [unknown]}]}
    )

    request = waiting["pending_approval"]
    assert request["message_type"] == "approval_request_message"
    assert request["id"] == answer["messages"][-1]["id"]
    assert waiting["last_stop_reason"] == "requires_approval"
    assert refused.status_code == 409
    assert refused.json()["detail"]["code"] == "PENDING_APPROVAL"
    assert refused.json()["detail"]["pending_request_id"] == request["id"]
    assert wrong.status_code == 400
    assert wrong.json()["detail"].startswith("Invalid tool call IDs. Expected '['call_0']'")


def test_approval_without_request_is_refused_as_by_v1(client_for, alice):
    agent = make_agent(alice)
    approval = {"type": "approval", "approve": True, "tool_call_id": "x"}

    reply = client_for(alice).post(
        f"/v1/agents/{agent.pk}/messages",
        {"messages": [{"type": "approval", "approvals": [approval]}]},
    )

    assert reply.status_code == 400
    assert "No tool call is currently awaiting approval" in reply.json()["detail"]
