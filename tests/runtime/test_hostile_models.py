"""Malformed replies of models and providers."""

import json

import pytest

from conversations.domain.integrity.check import find_breaches
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.models import Conversation, Message, Run

from ..factories import make_agent, make_conversation
from ..script import chunk, raw_call, say, script
from .streams import send, stream, texts, types

DEEP = "[" * 20_000 + "]" * 20_000


@pytest.fixture
def conversation(alice) -> Conversation:
    return make_conversation(make_agent(alice, labels=["human"], tools=BASE_TOOLS))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"label": ["human"], "new_string": "x"}', "label: expected a JSON string"),
        ('{"label": {"a": 1}, "new_string": "x"}', "label: expected a JSON string"),
        (f'{{"label": "human", "new_string": {DEEP}}}', "not valid JSON"),
        ('{"label": "human", "new_string": NaN}', "new_string: expected a JSON string"),
        ('{"label": null, "new_string": "x"}', "label: expected a JSON string"),
        ('{"label": "human", "new_string": "\\ud800"}', "a lone surrogate"),
    ],
    ids=["array", "object", "deep", "nan", "null", "surrogate"],
)
def test_malformed_arguments_are_explained_to_model(
    client_for, alice, conversation, arguments, expected
):
    client = client_for(alice)

    answer = send(client, conversation, script(raw_call("memory_insert", arguments), say("I see")))

    assert answer.status_code == 200, answer.content
    [returned] = [m for m in answer.json()["messages"] if m["message_type"].startswith("tool_ret")]
    assert returned["status"] == "error"
    assert expected in returned["tool_return"]
    assert conversation.agent.blocks.get().version == 1
    assert send(client, conversation, "SAY on").status_code == 200
    assert client.get(f"/v1/conversations/{conversation.pk}/messages").status_code == 200


def test_client_tool_arguments_may_nest_deeply(client_for, alice, conversation):
    tools = [{"name": "weather"}]
    client = client_for(alice)
    asked = send(client, conversation, raw_call("weather", DEEP), client_tools=tools).json()
    call_id = asked["messages"][0]["tool_call"]["tool_call_id"]
    result = {"tool_call_id": call_id, "tool_return": "rain"}

    body = {"messages": [{"type": "tool_return", "tool_returns": [result]}], "streaming": False}
    answer = client.post(f"/v1/conversations/{conversation.pk}/messages", body)

    assert answer.status_code == 200, answer.content


def delta(**fields: object) -> str:
    return chunk({"choices": [{"delta": fields}]})


def call_of(**fields) -> dict:
    return {"index": 0, "id": "call_1", "function": {"name": "memory_insert"}, **fields}


INSERT = {"label": "human", "new_string": "x"}


@pytest.mark.parametrize("stream_tokens", [True, False])
def test_unstorable_text_of_model_is_replaced(client_for, alice, conversation, stream_tokens):
    client = client_for(alice)
    text = script(delta(content="a\0b\ud800c", reasoning_content="d\0"), say("e"))

    events = stream(client, conversation, text, stream_tokens=stream_tokens)

    assert types(events)[-2:] == ["stop_reason", "usage_statistics"]
    assert texts(conversation)[-1] == ("assistant", "a\ufffdb\ufffdce")
    assert client.get(f"/v1/conversations/{conversation.pk}/messages").status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": 7},
        {"name": ["x"]},
        {"name": "n" * 1000},
        {"name": "a\0b"},
        {"name": "memory_insert", "arguments": ["x"]},
        {"name": "memory_insert", "arguments": 7},
        None,
        "memory_insert",
    ],
)
def test_malformed_calls_do_not_fail_turn(client_for, alice, conversation, wrong):
    client = client_for(alice)
    text = script(delta(tool_calls=[call_of(function=wrong)]), say("ok"))

    answer = send(client, conversation, text)

    # Either the tool result explains the error to the model, or the run fails with `llm_error`.
    assert answer.status_code == 200 or answer.json()["error"]["type"] == "llm_error"
    assert Run.objects.get().error_type in ("", "llm_error")
    assert conversation.agent.blocks.get().version == 1
    assert send(client, conversation, "SAY on").status_code == 200
    assert list(find_breaches()) == []


@pytest.mark.parametrize(
    "fields",
    [{"index": "0"}, {"index": None}, {"index": -5}, {"index": [1]}, {"id": 5}, {"id": {}}],
)
def test_malformed_call_indexes_and_ids(client_for, alice, conversation, fields):
    function = {"name": "memory_insert", "arguments": json.dumps(INSERT)}
    text = script(delta(tool_calls=[call_of(function=function, **fields)]), say("ok"))

    answer = send(client_for(alice), conversation, text)

    assert answer.status_code == 200, answer.content
    assert conversation.agent.blocks.get().value == "about human\nx"


def test_object_arguments_are_accepted(client_for, alice, conversation):
    """Some servers send the arguments as an object instead of a string."""
    function = {"name": "memory_insert", "arguments": INSERT}
    text = script(delta(tool_calls=[call_of(function=function)]), say("ok"))

    assert send(client_for(alice), conversation, text).status_code == 200
    assert conversation.agent.blocks.get().value == "about human\nx"


def test_overlong_call_id_is_replaced(client_for, alice, conversation):
    function = {"name": "memory_insert", "arguments": json.dumps(INSERT)}
    text = script(delta(tool_calls=[call_of(function=function, id="c" * 1000)]), say("ok"))

    assert send(client_for(alice), conversation, text).status_code == 200
    assert conversation.agent.blocks.get().value == "about human\nx"


@pytest.mark.parametrize(
    "usage",
    [
        "much",
        {"prompt_tokens": "many", "completion_tokens": []},
        {"prompt_tokens": float("nan"), "completion_tokens": -1},
        {"prompt_tokens": 10**30, "prompt_tokens_details": {"cached_tokens": "x"}},
        {"prompt_tokens": 1, "prompt_tokens_details": 5, "completion_tokens_details": [1]},
    ],
)
def test_malformed_usage_is_ignored(client_for, alice, conversation, usage):
    choice = {"delta": {"content": "ok"}, "finish_reason": "stop"}
    last = json.dumps({"choices": [choice], "usage": usage})

    answer = send(client_for(alice), conversation, script(chunk(last), "END"))

    assert answer.status_code == 200, answer.content
    assert answer.json()["usage"]["total_tokens"] >= 0


@pytest.mark.parametrize(
    "raw",
    [
        "[]",
        "null",
        "7",
        '"text"',
        '{"choices": null}',
        '{"choices": {}}',
        '{"choices": [null]}',
        '{"choices": [{"delta": "x"}]}',
        '{"choices": [{"delta": {"tool_calls": 5}}]}',
        '{"choices": [{"delta": {"tool_calls": [null]}}]}',
        '{"choices": [{"delta": {}, "finish_reason": {"a": 1}}]}',
        '{"error": "a\\u0000b"}',
        '{"error": {"message": ["x"]}}',
    ],
)
def test_malformed_chunks_are_ignored_or_fail_turn(client_for, alice, conversation, raw):
    client = client_for(alice)

    answer = send(client, conversation, script(chunk(raw), say("ok")))

    assert answer.status_code == 200 or answer.json()["error"]["type"] == "llm_error"
    assert Run.objects.get().error_type in ("", "llm_error")
    assert send(client, conversation, "SAY on").status_code == 200


def calls(count: int) -> str:
    insert = json.dumps(INSERT)
    return delta(
        tool_calls=[
            {
                "index": i,
                "id": f"call_{i}",
                "function": {"name": "memory_insert", "arguments": insert},
            }
            for i in range(count)
        ]
    )


@pytest.mark.parametrize("needs_approval", [False, True])
def test_calls_beyond_maximum_are_rejected_in_words(
    client_for, alice, conversation, configure, needs_approval
):
    configure(MAX_TOOL_CALLS=10)
    client = client_for(alice)
    if needs_approval:
        path = f"/v1/agents/{conversation.agent_id}/tools/approval/memory_insert"
        client.patch(path, {"requires_approval": True})

    answer = send(client, conversation, script(calls(200), say("ok")))
    if needs_approval:
        decisions = [
            {"type": "approval", "tool_call_id": f"call_{i}", "approve": True} for i in range(200)
        ]
        body = {"messages": [{"type": "approval", "approvals": decisions}], "streaming": False}
        answer = client.post(f"/v1/conversations/{conversation.pk}/messages", body)

    assert answer.status_code == 200, answer.content
    assert texts(conversation)[-1] == ("assistant", "done")
    results = Message.objects.filter(role=Message.Role.TOOL).order_by(
        "conversation_links__position"
    )
    statuses = [result.tool_returns[0]["status"] for result in results]
    assert statuses == ["success"] * 10 + ["error"] * 190
    assert "at most 10 calls" in results[10].text
    assert conversation.agent.blocks.get().version == 11
    assert list(find_breaches()) == []


def test_endless_calls_fail_turn(client_for, alice, conversation):
    client = client_for(alice)

    answer = send(client, conversation, script(calls(1001), say("ok")))

    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "llm_error"
    assert [role for role, _ in texts(conversation)] == ["user"]
    assert send(client, conversation, "SAY on").status_code == 200


def test_overlong_reply_fails_turn(client_for, alice, conversation):
    client = client_for(alice)
    text = delta(content="x" * 2_000_001)

    answer = send(client, conversation, script(text, say("ok")))

    assert answer.status_code == 500
    assert answer.json()["error"]["detail"] == "The reply is longer than 2000000 characters"
    assert [role for role, _ in texts(conversation)] == ["user"]
    assert send(client, conversation, "SAY on").status_code == 200


def test_empty_reply_completes_turn(client_for, alice, conversation):
    client = client_for(alice)

    answer = send(client, conversation, script(chunk("{}"), say("")))

    assert answer.json()["messages"] == []
    assert answer.json()["stop_reason"]["stop_reason"] == "end_turn"
    assert send(client, conversation, "SAY on").status_code == 200
