"""The response to a message: messages, streams, and the request to the provider."""

import asyncio
import json
from importlib import import_module

import pytest
from django.core.asgi import get_asgi_application

from conversations.domain.conversations.accounts import issue_key
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.models import Conversation, Run
from conversations.runtime.runtime import get_runtime

from ..factories import make_agent, make_conversation
from ..script import call, hold, say, script, think
from .processes import until
from .streams import body_of, events_of, said, send, stream, texts, types

INSERT = call("memory_insert", label="human", new_string="x")


@pytest.fixture
def conversation(alice) -> Conversation:
    return make_conversation(make_agent(alice, labels=["human"], tools=BASE_TOOLS))


def test_response_without_streaming_stores_messages_and_run(client_for, alice, conversation):
    response = send(client_for(alice), conversation, "SAY hello there")

    assert response.status_code == 200, response.content
    answer = response.json()
    [message] = answer["messages"]
    assert (message["message_type"], message["content"]) == ("assistant_message", "hello there")
    assert answer["stop_reason"]["stop_reason"] == "end_turn"
    assert answer["usage"]["step_count"] == 1
    assert texts(conversation) == [("user", "SAY hello there"), ("assistant", "hello there")]
    run = Run.objects.get()
    assert (run.status, run.stop_reason, run.request) == ("completed", "end_turn", {})
    assert message["run_id"] == run.pk
    assert message["step_id"] == run.steps.get().pk


def test_stream_of_messages(client_for, alice, conversation):
    events = stream(client_for(alice), conversation, "SAY hello there")

    assert types(events) == ["assistant_message", "stop_reason", "usage_statistics"]
    assert said(events) == "hello there"


def test_stream_of_tokens(client_for, alice, conversation):
    events = stream(client_for(alice), conversation, "SAY one two three", stream_tokens=True)

    assert [event["content"] for event in events[:3]] == ["one ", "two ", "three"]
    assert [event["seq_id"] for event in events[:3]] == [1, 2, 3]
    # Streamed events have the id of the stored message.
    [stored] = conversation.message_links.filter(message__role="assistant")
    assert {event["id"] for event in events[:3]} == {stored.message_id}


def test_include_pings_controls_first_ping(client_for, alice, conversation):
    client = client_for(alice)
    with_ping = send(client, conversation, "SAY a", streaming=True)
    without = send(client, conversation, "SAY a", streaming=True, include_pings=False)

    assert b'"message_type":"ping"' in body_of(with_ping)
    assert b'"message_type":"ping"' not in body_of(without)


def test_reasoning_is_streamed_and_stored(client_for, alice, conversation):
    events = stream(
        client_for(alice), conversation, script(think("hm, well"), say("yes")), stream_tokens=True
    )

    reasoning = [e["reasoning"] for e in events if e["message_type"] == "reasoning_message"]
    assert "".join(reasoning) == "hm, well"
    listed = client_for(alice).get(f"/v1/conversations/{conversation.pk}/messages?limit=1").json()
    assert types(listed) == ["reasoning_message", "assistant_message"]


def test_second_turn_sends_earlier_messages(client_for, alice, conversation, model):
    send(client_for(alice), conversation, "SAY hello")
    send(client_for(alice), conversation, "SAY again")

    roles = [message["role"] for message in model.requests[-1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


def test_include_return_message_types_filters(client_for, alice, conversation):
    wanted = ["tool_return_message"]
    text = script(INSERT, say("ok"))
    answer = send(client_for(alice), conversation, text, include_return_message_types=wanted)
    events = stream(client_for(alice), conversation, text, include_return_message_types=wanted)

    assert types(answer.json()["messages"]) == wanted
    assert types(events) == [*wanted, "stop_reason", "usage_statistics"]


def test_overrides_apply_to_one_request(client_for, alice, conversation, model):
    send(
        client_for(alice),
        conversation,
        "SAY ok",
        override_model="openai-proxy/bigger",
        override_system="Be brief.",
    )

    assert model.requests[-1]["model"] == "bigger"
    assert model.requests[-1]["messages"][0] == {"role": "system", "content": "Be brief."}
    # The overrides apply to this request only.
    send(client_for(alice), conversation, "SAY ok")
    assert model.requests[-1]["model"] == "gpt-4o-mini"
    assert "about human" in model.requests[-1]["messages"][0]["content"]


def test_model_settings_of_agent_and_conversation(client_for, alice, model):
    agent = make_agent(alice, model_settings={"temperature": 0.5, "max_output_tokens": 77})
    conversation = make_conversation(agent, model_settings={"temperature": 0.1})

    send(client_for(alice), conversation, "SAY ok")

    assert model.requests[-1]["temperature"] == 0.1
    assert model.requests[-1]["max_tokens"] == 77


@pytest.mark.parametrize("wrong", ["json", ["x"], {"type": ["x"]}, 7])
def test_malformed_model_settings_reach_provider(client_for, alice, model, wrong):
    agent = make_agent(alice, model_settings={"response_format": wrong, "reasoning": wrong})

    assert send(client_for(alice), make_conversation(agent), "SAY ok").status_code == 200
    assert model.requests[-1]["response_format"] == wrong


def test_unknown_model_is_rejected_and_stores_nothing(client_for, alice, conversation):
    response = send(client_for(alice), conversation, "hello", override_model="nobody/x")

    assert response.status_code == 404
    assert "Handle nobody/x not found, must be one of [openai/…" in response.json()["detail"]
    assert not Run.objects.exists()


def test_scripted_model_replies_without_provider(client_for, alice, conversation, configure, model):
    configure(PROVIDERS={})

    answer = send(client_for(alice), conversation, "hello").json()

    assert "I am the scripted model" in answer["messages"][0]["content"]
    assert "I read human" in answer["messages"][0]["content"]
    assert model.requests == []
    send(client_for(alice), conversation, "remember human: likes tea")
    assert conversation.agent.blocks.get().value == "about human\nlikes tea"


@pytest.mark.parametrize("path", ["messages", "messages/stream", "messages/async"])
def test_agent_routes_use_default_conversation(client_for, alice, path):
    agent = make_agent(alice)
    body = {"messages": [{"role": "user", "content": "SAY own"}]}

    response = client_for(alice).post(f"/v1/agents/{agent.pk}/{path}", body)

    assert response.status_code == 200
    if path == "messages/stream":
        assert said(events_of(response)) == "own"
    elif path == "messages/async":
        run_id = response.json()["id"]
        assert response.json()["background"] is True
        assert said(events_of(client_for(alice).post(f"/v1/runs/{run_id}/stream"))) == "own"
    own = Conversation.objects.get(agent=agent, is_default=True)
    assert texts(own) == [("user", "SAY own"), ("assistant", "own")]


@pytest.mark.parametrize("name", ["default", "agent"])
def test_default_conversation_has_two_other_names(client_for, alice, name):
    agent = make_agent(alice)
    path = "default" if name == "default" else agent.pk
    body = {"input": "SAY own", "streaming": False, "agent_id": agent.pk}

    answer = client_for(alice).post(f"/v1/conversations/{path}/messages", body).json()

    assert said(answer["messages"]) == "own"


def test_image_parts_reach_model(client_for, alice, conversation, model):
    image = {"type": "image", "source": {"type": "url", "url": "https://example.org/cat.png"}}
    body = {"input": [{"type": "text", "text": "SAY a cat"}, image], "streaming": False}

    response = client_for(alice).post(f"/v1/conversations/{conversation.pk}/messages", body)

    assert response.status_code == 200
    assert model.requests[-1]["messages"][-1]["content"] == [
        {"type": "text", "text": "SAY a cat"},
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "Messages must not be empty"),
        ({"messages": []}, "Messages must not be empty"),
        ({"messages": [{"role": "user"}]}, "content: field required"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "'wizard'"),
        ({"messages": [{"role": "user", "content": 7}]}, "expected a string or an array"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "expected {"),
        (
            {"input": [{"type": "image", "source": {"type": ["url"], "url": "x"}}]},
            "expected {",
        ),
        ({"messages": [{"role": "user", "content": "a\0b"}]}, "content"),
        ({"input": "x", "max_steps": 0}, "max_steps: expected at least 1"),
        ({"input": "x", "messages": [{"role": "user", "content": "x"}]}, "got both"),
        ({"input": "x", "client_tools": [{"name": ""}]}, "client_tools"),
        ({"messages": [{"type": "tool_return"}]}, "tool_returns: field required"),
        ({"messages": [{"type": "approval", "approvals": [{"approve": True}]}]}, "tool_call_id"),
    ],
)
def test_wrong_body_is_rejected_and_starts_no_run(client_for, alice, conversation, body, expected):
    response = client_for(alice).post(f"/v1/conversations/{conversation.pk}/messages", body)

    assert response.status_code == 422
    assert expected in response.json()["detail"]
    assert not Run.objects.exists()


def test_max_steps_ends_turn(client_for, alice, conversation):
    text = script(*(call("memory_insert", label="human", new_string=str(n)) for n in range(5)))

    answer = send(client_for(alice), conversation, text, max_steps=2).json()

    assert answer["stop_reason"]["stop_reason"] == "max_steps"
    assert answer["usage"]["step_count"] == 2
    assert conversation.agent.blocks.get().value == "about human\n0\n1"


def test_length_finish_reason_ends_turn(client_for, alice, conversation):
    answer = send(client_for(alice), conversation, "LENGTH half of it").json()

    assert answer["stop_reason"]["stop_reason"] == "max_tokens_exceeded"
    assert said(answer["messages"]) == "half of it"


def test_preview_equals_sent_request(client_for, alice, conversation, model):
    body = {"input": "SAY hello", "streaming": False}
    path = f"/v1/conversations/{conversation.pk}/messages"

    preview = client_for(alice).post(f"{path}/preview-raw-payload", body).json()
    client_for(alice).post(path, body)

    sent = model.requests[-1]
    assert preview["tools"] == sent["tools"]
    assert preview["messages"][1:] == sent["messages"][1:]
    assert preview["model"] == sent["model"]
    assert Run.objects.count() == 1


def asgi_scope(path: str, secret: str) -> dict:
    headers = [
        (b"host", b"localhost"),
        (b"authorization", f"Bearer {secret}".encode()),
        (b"content-type", b"application/json"),
    ]
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": headers,
    }


async def call_asgi(application, scope: dict, body: bytes, on_chunk) -> tuple[int, bytes]:
    """Call an ASGI application as a server does; call `on_chunk` with each part of the body."""
    requests = [{"type": "http.request", "body": body, "more_body": False}]
    status, chunks, never = 0, [], asyncio.Event()

    async def receive():
        if not requests:
            await never.wait()
        return requests.pop()

    async def send(message):
        nonlocal status
        status = message.get("status", status)
        if chunk := message.get("body"):
            chunks.append(chunk)
            on_chunk(chunk)

    scope["headers"].append((b"content-length", str(len(body)).encode()))
    await application(scope, receive, send)
    return status, b"".join(chunks)


@pytest.fixture(params=["django", "project"])
def asgi_application(request):
    """Return Django's ASGI application or that of the server."""
    if request.param == "django":
        return get_asgi_application()
    return import_module("project.asgi").application


def test_asgi_stream_arrives_while_model_replies(asgi_application, alice, conversation, model):
    held = script(INSERT, hold(), say("done"))
    scope = asgi_scope(f"/v1/conversations/{conversation.pk}/messages", issue_key(alice)[1])

    def on_chunk(chunk: bytes) -> None:
        if b"tool_return_message" in chunk:  # The model waits for this.
            model.go_on()

    status, body = asyncio.run(
        call_asgi(asgi_application, scope, json.dumps({"input": held}).encode(), on_chunk)
    )

    assert status == 200
    assert body.endswith(b"data: [DONE]\n\n")
    assert b'"content":"done"' in body


def test_asgi_response_without_streaming(asgi_application, alice, conversation):
    scope = asgi_scope(f"/v1/conversations/{conversation.pk}/messages", issue_key(alice)[1])
    body = json.dumps({"input": "SAY hi", "streaming": False}).encode()

    status, answer = asyncio.run(call_asgi(asgi_application, scope, body, lambda _: None))

    assert status == 200
    assert said(json.loads(answer)["messages"]) == "hi"


def test_wsgi_stream_arrives_while_model_replies(client_for, alice, conversation, model):
    held = script(INSERT, hold(), say("done"))
    path = f"/v1/conversations/{conversation.pk}/messages"
    lines = iter(client_for(alice).post(path, {"input": held}))

    next(line for line in lines if b"tool_return_message" in line)
    model.go_on()

    assert b'"content":"done"' in b"".join(lines)


def test_middleware_receives_status_and_content(client_for, alice, conversation, settings):
    name = f"{__name__}.record_response"
    settings.MIDDLEWARE = [name, *settings.MIDDLEWARE]
    RECORDED.clear()

    send(client_for(alice), conversation, "FAIL 429")
    path = f"/v1/conversations/{conversation.pk}/messages"
    list(client_for(alice).post(path, {"input": "SAY a"}))  # Until the turn has ended.

    assert [(each.status_code, each.streaming) for each in RECORDED] == [(429, False), (200, True)]
    assert b"llm_rate_limit" in RECORDED[0].content


RECORDED: list = []


def record_response(get_response):
    """Record responses as a middleware."""

    def middleware(request):
        response = get_response(request)
        RECORDED.append(response)
        return response

    return middleware


@pytest.mark.parametrize("streaming", [True, False])
def test_disconnect_ends_response_and_not_the_turn(alice, conversation, model, streaming):
    application = import_module("project.asgi").application
    scope = asgi_scope(f"/v1/conversations/{conversation.pk}/messages", issue_key(alice)[1])
    body = json.dumps({"input": script(hold(), say("done")), "streaming": streaming}).encode()
    scope["headers"].append((b"content-length", str(len(body)).encode()))
    requests = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        if requests:
            return requests.pop()
        while not model.requests:
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    # Returns while the model still waits.
    asyncio.run(asyncio.wait_for(application(scope, receive, send), 60))

    run = Run.objects.get()
    assert run.status == "running"
    assert not get_runtime().broker.has_subscribers(run.pk)
    model.go_on()
    until(lambda: not Run.objects.active().exists(), seconds=60, what="the turn ends")
    assert texts(conversation)[-1] == ("assistant", "done")
