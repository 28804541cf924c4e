"""Client tools, and tools that need approval."""

import json

import pytest

from conversations.domain.integrity.check import find_breaches
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.domain.tools.rules import with_approvals
from conversations.models import Conversation

from ..factories import make_agent, make_conversation
from ..script import call, calls, fail, say, script
from .streams import said, send, stream, types

WEATHER = {
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
ASK_WEATHER = call("weather", city="Oslo")
WEATHER_SCRIPT = script(ASK_WEATHER, say("It rains"))
INSERT = call("memory_insert", label="human", new_string="x")
INSERT_SCRIPT = script(INSERT, say("I see"))


@pytest.fixture
def conversation(alice) -> Conversation:
    return make_conversation(make_agent(alice, labels=["human"], tools=BASE_TOOLS))


def reply(client, conversation, *messages: dict, **fields):
    body = {"messages": list(messages), "streaming": False, "client_tools": [WEATHER], **fields}
    return client.post(f"/v1/conversations/{conversation.pk}/messages", body)


def test_client_tool_result_continues_turn(client_for, alice, conversation, model):
    client = client_for(alice)

    asked = send(client, conversation, WEATHER_SCRIPT, client_tools=[WEATHER]).json()

    assert model.requests[-1]["tools"][-1]["function"] == WEATHER
    assert types(asked["messages"]) == ["approval_request_message"]
    assert asked["stop_reason"]["stop_reason"] == "requires_approval"
    asked_call = asked["messages"][0]["tool_call"]
    assert (asked_call["name"], asked_call["arguments"]) == ("weather", '{"city": "Oslo"}')

    result = {
        "tool_call_id": asked_call["tool_call_id"],
        "tool_return": "rain",
        "status": "success",
    }
    answer = reply(client, conversation, {"type": "tool_return", "tool_returns": [result]}).json()

    assert types(answer["messages"]) == ["tool_return_message", "assistant_message"]
    assert said(answer["messages"]) == "It rains"
    assert model.requests[-1]["messages"][-1] == {
        "role": "tool",
        "tool_call_id": asked_call["tool_call_id"],
        "content": "rain",
    }
    listed = client.get(f"/v1/conversations/{conversation.pk}/messages?order=asc").json()
    assert types(listed)[1:] == [
        "user_message",
        "approval_request_message",
        "tool_return_message",
        "assistant_message",
    ]


def test_client_tool_result_in_approval_message(client_for, alice, conversation):
    client = client_for(alice)
    asked = send(client, conversation, WEATHER_SCRIPT, client_tools=[WEATHER]).json()
    call_id = asked["messages"][0]["tool_call"]["tool_call_id"]
    result = {"type": "tool", "tool_call_id": call_id, "tool_return": "rain", "status": "success"}

    answer = reply(client, conversation, {"type": "approval", "approvals": [result]}).json()

    assert said(answer["messages"]) == "It rains"


@pytest.mark.parametrize("stream_tokens", [True, False])
def test_client_tool_call_in_stream(client_for, alice, conversation, stream_tokens):
    events = stream(
        client_for(alice),
        conversation,
        WEATHER_SCRIPT,
        client_tools=[WEATHER],
        stream_tokens=stream_tokens,
    )

    requests = [e for e in events if e["message_type"] == "approval_request_message"]
    assert "".join(e["tool_call"]["arguments"] for e in requests) == '{"city": "Oslo"}'
    assert requests[0]["tool_call"]["name"] == "weather"
    assert (len(requests) > 1) == stream_tokens
    assert isinstance(requests[0]["tool_calls"], dict) == stream_tokens


def test_server_tools_run_beside_client_tool(client_for, alice, conversation):
    text = script(calls(INSERT, ASK_WEATHER), say("It rains"))

    asked = send(client_for(alice), conversation, text, client_tools=[WEATHER]).json()

    assert types(asked["messages"]) == [
        "tool_call_message",
        "tool_return_message",
        "approval_request_message",
    ]
    assert conversation.agent.blocks.get().value == "about human\nx"


def test_message_conflicts_while_call_awaits_client(client_for, alice, conversation):
    client = client_for(alice)
    send(client, conversation, WEATHER_SCRIPT, client_tools=[WEATHER])

    refused = send(client, conversation, "SAY hello")

    assert refused.status_code == 409
    assert refused.json()["tool_call_ids"] == ["call_0"]
    detail = refused.json()["detail"]
    assert detail["code"] == "PENDING_APPROVAL"
    assert "is waiting for approval" in detail["message"]
    assert detail["pending_request_id"] == conversation.messages.get(role="approval").pk


@pytest.mark.parametrize("call_id", ["other", ""])
def test_result_of_unknown_call_is_rejected(client_for, alice, conversation, call_id):
    client = client_for(alice)
    send(client, conversation, WEATHER_SCRIPT, client_tools=[WEATHER])
    result = {"tool_call_id": call_id, "tool_return": "rain", "status": "success"}

    refused = reply(client, conversation, {"type": "tool_return", "tool_returns": [result]})

    assert refused.status_code == (400 if call_id else 422)
    detail = refused.json()["detail"]
    assert detail.startswith("Invalid tool call IDs." if call_id else "messages.0.tool_returns.0.")


def test_result_without_awaiting_call_is_rejected(client_for, alice, conversation):
    result = {"tool_call_id": "call_0", "tool_return": "rain", "status": "success"}

    refused = reply(
        client_for(alice), conversation, {"type": "tool_return", "tool_returns": [result]}
    )

    assert refused.status_code == 400
    assert "No tool call is currently awaiting approval" in refused.json()["detail"]


@pytest.fixture
def guarded(client_for, alice, conversation) -> Conversation:
    """Return a conversation whose agent needs approval to write to memory."""
    path = f"/v1/agents/{conversation.agent_id}/tools/approval/memory_insert"
    state = client_for(alice).patch(path, {"requires_approval": True}).json()
    assert state["tool_rules"] == with_approvals([], ["memory_insert"])
    return conversation


def test_call_awaits_approval(client_for, alice, guarded):
    client = client_for(alice)

    asked = send(client, guarded, INSERT_SCRIPT).json()

    assert types(asked["messages"]) == ["approval_request_message"]
    assert guarded.agent.blocks.get().value == "about human"
    decision = {"type": "approval", "tool_call_id": "call_0", "approve": True}
    answer = reply(client, guarded, {"type": "approval", "approvals": [decision]}).json()
    assert types(answer["messages"]) == ["tool_return_message", "assistant_message"]
    assert guarded.agent.blocks.get().value == "about human\nx"


def test_declined_call_reports_reason_to_model(client_for, alice, guarded, model):
    client = client_for(alice)
    send(client, guarded, INSERT_SCRIPT)
    decision = {"tool_call_id": "call_0", "approve": False, "reason": "not that"}

    answer = reply(client, guarded, {"type": "approval", "approvals": [decision]}).json()

    assert guarded.agent.blocks.get().value == "about human"
    assert "denied. User reason: not that" in model.requests[-1]["messages"][-1]["content"]
    assert said(answer["messages"]) == "I see"


def test_decision_without_id_applies_to_all_calls(client_for, alice, guarded):
    client = client_for(alice)
    send(client, guarded, INSERT_SCRIPT)

    reply(client, guarded, {"type": "approval", "approve": True, "approval_request_id": "x"})

    assert guarded.agent.blocks.get().value == "about human\nx"


def test_removed_approval_lets_tool_run(client_for, alice, guarded):
    client = client_for(alice)
    path = f"/v1/agents/{guarded.agent_id}/tools/approval/memory_insert"
    assert client.patch(path, {"requires_approval": False}).json()["tool_rules"] == []

    answer = send(client, guarded, INSERT_SCRIPT).json()

    assert answer["stop_reason"]["stop_reason"] == "end_turn"
    assert client.patch(f"{path}x", {"requires_approval": True}).status_code == 404


def test_client_tool_replaces_server_tool_of_same_name(client_for, alice, conversation, model):
    """A provider rejects a request that declares two functions of one name."""
    tools = [{"name": "memory_insert", "description": "Mine."}]

    asked = send(client_for(alice), conversation, INSERT_SCRIPT, client_tools=tools).json()

    functions = [tool["function"] for tool in model.requests[-1]["tools"]]
    [shown] = [function for function in functions if function["name"] == "memory_insert"]
    assert shown["description"] == "Mine."
    assert types(asked["messages"]) == ["approval_request_message"]
    assert conversation.agent.blocks.get().value == "about human"


def test_answers_must_cover_all_awaiting_calls(client_for, alice, guarded, model):
    """One call is of a client tool, the other of a server tool that needs approval."""
    client = client_for(alice)
    text = script(calls(call("weather"), INSERT), say("I see"))
    asked = send(client, guarded, text, client_tools=[WEATHER]).json()
    ids = [call["tool_call_id"] for call in asked["messages"][0]["tool_calls"]]
    assert len(ids) == 2
    result = {"type": "tool", "tool_call_id": ids[0], "tool_return": "rain"}
    decision = {"type": "approval", "tool_call_id": ids[1], "approve": True}

    for some in ([result], [decision], [result, result], [result, decision, decision]):
        refused = reply(client, guarded, {"type": "approval", "approvals": some})
        assert refused.status_code == 400
        assert refused.json()["detail"].startswith("Invalid tool call IDs.")
    both = {"type": "approval", "approvals": [decision, result]}
    answer = reply(client, guarded, both).json()

    assert said(answer["messages"]) == "I see"
    called, *returned = model.requests[-1]["messages"][-3:]
    assert [call["id"] for call in called["tool_calls"]] == ids
    assert {message["tool_call_id"] for message in returned} == set(ids)
    assert guarded.agent.blocks.get().value == "about human\nx"
    assert list(find_breaches()) == []


def test_client_results_survive_model_failure(client_for, alice, guarded, model):
    client = client_for(alice)
    text = script(calls(call("weather"), INSERT), fail(400, times=1))
    send(client, guarded, text, client_tools=[WEATHER])
    result = {"type": "tool", "tool_call_id": "call_0", "tool_return": "rain"}
    decision = {"type": "approval", "tool_call_id": "call_1", "approve": True}

    failed = reply(client, guarded, {"type": "approval", "approvals": [result, decision]})

    assert failed.status_code == 400
    assert send(client, guarded, "SAY on").status_code == 200
    shown = {m["tool_call_id"]: m["content"] for m in model.requests[-1]["messages"][-3:-1]}
    assert shown == {"call_0": "rain", "call_1": "about human\nx"}


def test_delete_conversation_while_call_awaits_client(client_for, alice, conversation):
    client = client_for(alice)
    send(client, conversation, WEATHER_SCRIPT, client_tools=[WEATHER])
    path = f"/v1/conversations/{conversation.pk}"

    client.delete(path)
    result = {"tool_call_id": "call_0", "tool_return": "rain"}
    assert (
        reply(client, conversation, {"type": "tool_return", "tool_returns": [result]}).status_code
        == 404
    )
    client.post(f"{path}/restore")
    answer = reply(client, conversation, {"type": "tool_return", "tool_returns": [result]})

    assert said(answer.json()["messages"]) == "It rains"


def test_concurrent_same_results_start_one_turn(client_for, alice, conversation, in_thread):
    send(client_for(alice), conversation, WEATHER_SCRIPT, client_tools=[WEATHER])
    result = {"tool_call_id": "call_0", "tool_return": "rain"}
    body = {"type": "tool_return", "tool_returns": [result]}

    answers = [in_thread(reply, client_for(alice), conversation, body) for _ in range(5)]

    statuses = sorted(answer().status_code for answer in answers)
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {400, 409}
    roles = [message.message.role for message in conversation.message_links.order_by("position")]
    assert roles == ["system", "user", "approval", "tool", "assistant"]


def test_decision_is_listed_and_not_sent_to_the_model(client_for, alice, guarded, model):
    client = client_for(alice)
    send(client, guarded, script(INSERT, say("done")))
    decision = {"type": "approval", "tool_call_id": "call_0", "approve": False, "reason": "no"}

    reply(client, guarded, {"type": "approval", "approvals": [decision]})

    listed = client.get(f"/v1/conversations/{guarded.pk}/messages?order=asc").json()
    assert types(listed)[-4:] == [
        "approval_request_message",
        "approval_response_message",
        "tool_return_message",
        "assistant_message",
    ]
    response = listed[-3]
    assert response["approvals"] == [decision]
    assert (response["approve"], response["approval_request_id"]) == (False, "call_0")
    assert response["otid"] is None
    roles = [message["role"] for message in model.requests[-1]["messages"]]
    assert roles[-2:] == ["assistant", "tool"]
    query = "order=asc&include_return_message_types=approval_response_message"
    found = client.get(f"/v1/conversations/{guarded.pk}/messages?{query}").json()
    assert found == [response]
    assert list(find_breaches()) == []


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("kind", ["approval", "tool_return"])
def test_result_of_the_client_is_repeated_once(client_for, alice, conversation, streaming, kind):
    client = client_for(alice)
    send(client, conversation, WEATHER_SCRIPT, client_tools=[WEATHER])
    result = {"type": "tool", "tool_call_id": "call_0", "tool_return": "rain", "status": "success"}
    name = "approvals" if kind == "approval" else "tool_returns"
    body = {"messages": [{"type": kind, name: [result]}], "streaming": streaming}

    answer = client.post(f"/v1/conversations/{conversation.pk}/messages", body)

    if streaming:
        lines = b"".join(answer).decode().split("\n\n")
        items = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    else:
        items = answer.json()["messages"]
    returned = [item for item in items if item["message_type"] == "tool_return_message"]
    assert [(item["tool_return"], item["tool_call_id"]) for item in returned] == [
        ("rain", "call_0")
    ]
    kinds = [item["message_type"] for item in items]
    assert kinds.index("tool_return_message") < kinds.index("assistant_message")
