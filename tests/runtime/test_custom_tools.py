"""Turns that call tools with Python source: events, approvals, cancellation and rules."""

import pytest

from conversations.domain.integrity.check import find_breaches
from conversations.domain.tools.rules import with_approvals
from conversations.models import Conversation, Run

from ..factories import make_agent, make_conversation, make_tool
from ..script import call, calls, say, script
from .processes import until
from .sandboxes import interpreter
from .streams import post, said, send, stream, texts, types

SLEEPER = "def sleeper():\n    import time\n    print('began')\n    time.sleep(60)\n"
BOOM = "def boom(why: str):\n    raise ValueError(why)\n"


@pytest.fixture(autouse=True)
def _tools_run(configure):
    configure(TOOL_RUNNER="subprocess", TOOL_PYTHON=interpreter(), TOOL_TIMEOUT=30)


@pytest.fixture
def conversation(alice) -> Conversation:
    """Return a conversation of an agent with `echo`, `boom`, `sleeper` and `memory_insert`."""
    make_tool(alice, "echo", enable_parallel_execution=True)
    make_tool(alice, "boom", source_code=BOOM)
    make_tool(alice, "sleeper", source_code=SLEEPER)
    tools = ["echo", "boom", "sleeper", "memory_insert"]
    return make_conversation(make_agent(alice, labels=["human"], tools=tools))


def with_rules(conversation: Conversation, *rules: dict) -> Conversation:
    agent = conversation.agent
    agent.tool_rules = [{"prompt_template": None, "args": None, **rule} for rule in rules]
    agent.save()
    return conversation


def offered(request: dict) -> list[str]:
    return [tool["function"]["name"] for tool in request.get("tools", [])]


def test_result_continues_the_turn(client_for, alice, conversation, model):
    answer = send(client_for(alice), conversation, script(call("echo", text="hi"), say("done")))

    called, returned, final = answer.json()["messages"]
    assert called["tool_call"]["name"] == "echo"
    assert (returned["name"], returned["tool_return"], returned["status"]) == (
        "echo",
        "hi",
        "success",
    )
    assert (returned["stdout"], returned["stderr"]) == ([], [])
    assert returned["step_id"] == called["step_id"]
    assert final["content"] == "done"
    assert model.requests[-1]["messages"][-1]["content"] == "hi"
    listed = client_for(alice).get(f"/v1/conversations/{conversation.pk}/messages?order=asc")
    assert returned | {"seq_id": None} in listed.json()
    assert list(find_breaches()) == []


def test_error_is_returned_to_the_model(client_for, alice, conversation):
    answer = send(client_for(alice), conversation, script(call("boom", why="x"), say("ok")))

    returned = answer.json()["messages"][1]
    assert returned["tool_return"] == "Error executing function boom: ValueError: x"
    assert returned["status"] == "error"
    assert "Traceback" in returned["stderr"][0]


@pytest.mark.parametrize("stream_tokens", [False, True])
def test_call_is_streamed_before_its_tool_has_ended(client_for, alice, conversation, stream_tokens):
    text = script(call("echo", text="hi"), say("done"))

    events = stream(client_for(alice), conversation, text, stream_tokens=stream_tokens)

    kinds = list(dict.fromkeys(types(events)))
    assert kinds == [
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
        "stop_reason",
        "usage_statistics",
    ]
    assert [event["seq_id"] for event in events[:-2]] == list(range(1, len(events) - 1))


def test_parallel_calls_return_in_their_order(client_for, alice, conversation):
    text = script(
        calls(
            call("echo", text="1"),
            call("echo", text="2"),
            call("memory_insert", label="human", new_string="tall"),
            call("boom", why="3"),
            call("nope"),
        ),
        say("done"),
    )

    answer = send(client_for(alice), conversation, text).json()

    returns = [m["tool_return"] for m in answer["messages"] if "tool_return" in m]
    assert returns[:3] == ["1", "2", "about human\ntall"]
    assert "ValueError: 3" in returns[3]
    assert returns[4].startswith("[ToolConstraintError] Cannot call nope, valid tools include:")


def test_cancelled_tool_ends_and_its_call_stays(client_for, alice, conversation, in_thread, model):
    answer = in_thread(send, client_for(alice), conversation, call("sleeper"))
    events = Run.objects.filter(events__data__type="tool_call")
    until(events.exists, seconds=60, what="the call is published")

    client_for(alice).post(f"/v1/conversations/{conversation.pk}/cancel")

    answered = answer().json()
    assert answered["stop_reason"]["stop_reason"] == "cancelled"
    assert types(answered["messages"]) == ["tool_call_message", "tool_return_message"]
    assert texts(conversation)[-1] == ("tool", "Error: the run was cancelled")
    assert send(client_for(alice), conversation, say("on")).status_code == 200


def approve(client, conversation, *decisions: dict, **fields):
    approvals = [{"type": "approval", **decision} for decision in decisions]
    body = {"messages": [{"type": "approval", "approvals": approvals}], "streaming": False}
    return post(client, f"/v1/conversations/{conversation.pk}/messages", body | fields)


def test_approved_and_denied_calls_of_custom_tools(client_for, alice, conversation, model):
    conversation.agent.tool_rules = with_approvals([], ["echo", "boom"])
    conversation.agent.save()
    client = client_for(alice)
    text = script(
        calls(call("echo", text="yes"), call("boom", why="no"), call("memory_insert")), say("done")
    )

    asked = send(client, conversation, text).json()
    first, second = [
        each["tool_call_id"]
        for message in asked["messages"]
        if message["message_type"] == "approval_request_message"
        for each in message["tool_calls"]
    ]
    answer = approve(
        client,
        conversation,
        {"approve": True, "tool_call_id": first},
        {"approve": False, "tool_call_id": second, "reason": "too loud"},
    ).json()

    assert asked["stop_reason"]["stop_reason"] == "requires_approval"
    returns = [m["tool_return"] for m in answer["messages"] if "tool_return" in m]
    assert returns == ["yes", "Error: request to call tool denied. User reason: too loud"]
    assert said(answer["messages"]) == "done"
    assert list(find_breaches()) == []


def test_exit_loop_ends_the_turn(client_for, alice, conversation):
    with_rules(conversation, {"type": "exit_loop", "tool_name": "echo"})

    answer = send(client_for(alice), conversation, script(call("echo", text="x"), say("never")))

    assert answer.json()["stop_reason"]["stop_reason"] == "tool_rule"
    assert types(answer.json()["messages"]) == ["tool_call_message", "tool_return_message"]


def test_run_first_and_children_constrain_what_is_offered(client_for, alice, conversation, model):
    with_rules(
        conversation,
        {"type": "run_first", "tool_name": "echo", "args": {"text": "set"}},
        {
            "type": "constrain_child_tools",
            "tool_name": "echo",
            "children": ["boom"],
            "child_arg_nodes": None,
        },
    )
    text = script(
        call("echo", text="given"), call("memory_insert"), call("boom", why="x"), say(".")
    )

    answer = send(client_for(alice), conversation, text).json()

    first, second, third, fourth = model.requests
    assert (offered(first), first["tool_choice"]) == (["echo"], "required")
    assert (offered(second), second["tool_choice"]) == (["boom"], "required")
    assert offered(third) == ["boom"]
    assert offered(fourth) == ["echo", "boom", "sleeper", "memory_insert"]
    assert first["parallel_tool_calls"] is False
    assert "tool_choice" not in fourth
    returns = [m["tool_return"] for m in answer["messages"] if "tool_return" in m]
    assert returns[0] == "set"
    assert (
        returns[1]
        == "[ToolConstraintError] Cannot call memory_insert, valid tools include: ['boom']."
    )


def test_turn_goes_on_until_required_tool_is_called(client_for, alice, conversation, model):
    with_rules(conversation, {"type": "required_before_exit", "tool_name": "echo"})
    client = client_for(alice)

    refused = send(client, conversation, say("bye"), max_steps=2).json()
    ended = send(client, conversation, script(call("echo", text="x"), say("now"))).json()

    assert refused["stop_reason"]["stop_reason"] == "max_steps"
    assert model.requests[1]["tool_choice"] == "required"
    assert model.requests[1]["messages"][-1]["content"] == "Call echo before you end this turn."
    assert "Call echo" not in str(texts(conversation)[0])
    assert ended["stop_reason"]["stop_reason"] == "end_turn"
    assert len(model.requests) == 4


def test_maximum_of_calls_is_kept(client_for, alice, conversation, model):
    rule = {"type": "max_count_per_step", "tool_name": "echo", "max_count_limit": 2}
    with_rules(conversation, rule)
    text = script(calls(*[call("echo", text=str(n)) for n in range(3)]), say("done"))

    answer = send(client_for(alice), conversation, text).json()

    returns = [m["status"] for m in answer["messages"] if "tool_return" in m]
    assert returns == ["success", "success", "error"]
    assert "echo" not in offered(model.requests[-1])
