"""When a provider fails, the run fails with a clear error and stores whole steps only."""

import socketserver
import threading
import time

import pytest

from conversations.conf import conf
from conversations.domain.integrity.check import find_breaches
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.models import Conversation, Run, Step

from ..factories import make_agent, make_conversation, make_messages
from .streams import send, stream, texts, types


@pytest.fixture
def conversation(alice) -> Conversation:
    return make_conversation(make_agent(alice, labels=["human"], tools=BASE_TOOLS))


FAILURES = [
    ("FAIL 400", 400, "llm_bad_request"),
    ("FAIL 401", 401, "llm_authentication"),
    ("FAIL 402", 402, "llm_insufficient_credits"),
    ("FAIL 404", 400, "llm_not_found"),
    ("FAIL 429", 429, "llm_rate_limit"),
    ("FAIL 500", 500, "llm_error"),
    ("FAIL 504", 504, "llm_timeout"),
    ("CUT half a sen", 500, "llm_connection_error"),
    ("END half a sen", 500, "llm_error"),
    ("BROKEN half a sen", 500, "llm_error"),
]


@pytest.mark.parametrize(("text", "status", "kind"), FAILURES)
def test_failed_turn_reports_error_and_keeps_input(
    client_for, alice, conversation, caplog, model, text, status, kind
):
    client = client_for(alice)

    response = send(client, conversation, text)

    assert response.status_code == status
    error = response.json()["error"]
    assert error["type"] == kind
    assert error["detail"]
    assert "sk-secret" not in response.text
    assert ("sk-secret" in caplog.text) == text.startswith("FAIL")
    assert texts(conversation) == [("user", text)]
    run = Run.objects.get()
    assert run.request["input"][0]["content"] == [{"type": "text", "text": text}]
    assert (run.status, run.stop_reason, run.error_type) == ("failed", "llm_api_error", kind)
    step = run.steps.get()
    assert step.error
    assert [read["label"] for read in step.blocks_seen] == ["human"]
    reported = {"type": kind, "message": run.error}
    for path in (f"/v1/runs/{run.pk}", f"/v1/runs/?conversation_id={conversation.pk}"):
        shown = client.get(path).json()
        shown = shown[0] if isinstance(shown, list) else shown
        assert (shown["error"], shown["metadata"]["error"]) == (reported, reported)
    assert "sk-secret" not in run.error + step.error
    (shown,) = client.get(f"/v1/runs/{run.pk}/steps").json()
    assert shown["error_data"] == {"type": kind, "message": step.error}
    # The conversation accepts the next message, and the next turn reads the first one.
    assert send(client, conversation, "SAY fine").status_code == 200
    assert texts(conversation) == [("user", text), ("user", "SAY fine"), ("assistant", "fine")]
    assert [shown["content"] for shown in model.requests[-1]["messages"][1:]] == [text, "SAY fine"]
    assert list(find_breaches()) == []


@pytest.mark.parametrize("text", ["FAIL 400", "CUT half a sen", "BROKEN half a sen"])
@pytest.mark.parametrize("stream_tokens", [False, True])
def test_failed_turn_in_stream(client_for, alice, conversation, text, stream_tokens):
    events = stream(client_for(alice), conversation, text, stream_tokens=stream_tokens)

    assert types(events)[-2:] == ["stop_reason", "error_message"]
    assert events[-2]["stop_reason"] == "llm_api_error"
    assert events[-1]["error_type"] == "llm_error"
    assert events[-1]["run_id"] == Run.objects.get().pk
    assert texts(conversation) == [("user", text)]


@pytest.mark.parametrize("ids", [{}, {"otid": "mine"}])
def test_retry_of_failed_turn_reuses_its_message(client_for, alice, conversation, configure, ids):
    client = client_for(alice)
    path = f"/v1/conversations/{conversation.pk}/messages"
    body = {"messages": [{"role": "user", "content": "SAY hi", **ids}], "streaming": False}
    configured = conf.PROVIDERS
    configure(PROVIDERS={"openai": {"base_url": "http://127.0.0.1:9/v1"}})
    failures = [client.post(path, body).status_code for _ in range(2)]
    configure(PROVIDERS=configured)

    answer = client.post(path, body)

    assert failures == [500, 500]
    assert answer.json()["messages"][0]["content"] == "hi"
    assert texts(conversation) == [("user", "SAY hi"), ("assistant", "hi")]
    completed = Run.objects.get(status="completed")
    assert completed.messages.count() == 2
    assert list(find_breaches()) == []
    # The completed attempt keeps the otid: sending it again starts no turn.
    if ids:
        assert client.post(path, body).json()["messages"] == answer.json()["messages"]
        assert Run.objects.count() == 3


def test_retry_after_other_turn_is_stored_again(client_for, alice, conversation):
    client = client_for(alice)
    send(client, conversation, "FAIL 400")
    send(client, conversation, "SAY between")
    send(client, conversation, "FAIL 400")

    assert texts(conversation) == [
        ("user", "FAIL 400"),
        ("user", "SAY between"),
        ("assistant", "between"),
        ("user", "FAIL 400"),
    ]


def test_retry_in_fork_leaves_message_of_original(client_for, alice, conversation):
    client = client_for(alice)
    send(client, conversation, "FAIL 400")
    path = f"/v1/conversations/{conversation.pk}/fork"
    fork = Conversation.objects.get(pk=client.post(path, {}).json()["id"])

    send(client, fork, "FAIL 400")

    assert texts(fork) == [("user", "FAIL 400")] * 2
    run = conversation.runs.get()
    assert run.messages.count() == 1
    assert list(find_breaches()) == []


def test_provider_error_is_retried(client_for, alice, conversation, model):
    response = send(client_for(alice), conversation, "FAIL 503 x2\nSAY there")

    assert response.status_code == 200
    assert len(model.requests) == 3
    assert Run.objects.get().steps.count() == 1


def test_retries_are_bounded(client_for, alice, conversation, model):
    send(client_for(alice), conversation, "FAIL 503")

    assert len(model.requests) == 3


def test_retries_end_with_the_model_timeout(client_for, alice, conversation, configure, model):
    configure(MODEL_TIMEOUT=0.2)

    send(client_for(alice), conversation, "FAIL 503")

    assert len(model.requests) == 1


def test_retry_after_of_provider_is_passed_on(client_for, alice, conversation, model):
    response = send(client_for(alice), conversation, "FAIL 429 after 1000")

    assert response.status_code == 429
    assert response["Retry-After"] == "1000"
    # The provider wants no request before the timeout of the model.
    assert len(model.requests) == 1


@pytest.fixture
def closing_provider(configure):
    """Configure a provider that closes its connections; return the list of them."""
    accepted = []

    class Closing(socketserver.BaseRequestHandler):
        def handle(self):
            accepted.append(self.request.recv(10))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Closing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        configure(PROVIDERS={**conf.PROVIDERS, "closing": {"base_url": url}})
        yield accepted
        server.shutdown()


def test_closed_connection_is_no_timeout(client_for, alice, conversation, closing_provider):
    response = send(client_for(alice), conversation, "hello", override_model="closing/large")

    assert response.status_code == 500
    assert response.json()["error"]["type"] == "llm_connection_error"
    assert len(closing_provider) == 3


def test_fallback_model_replies_while_the_model_fails(
    client_for, alice, conversation, closing_provider
):
    client = client_for(alice)
    agent = f"/v1/agents/{conversation.agent_id}"
    changed = client.patch(agent, {"model": "closing/large", "fallback_model": "openai/backup"})
    assert changed.json()["fallback_model"] == "openai/backup"

    response = send(client, conversation, "SAY there")

    assert response.status_code == 200
    assert Step.objects.get().model == "openai/backup"
    assert conversation.messages.get(role="assistant").model == "openai/backup"
    cleared = client.patch(agent, {"fallback_model": None})
    assert cleared.json()["fallback_model"] is None
    assert send(client, conversation, "SAY there").status_code == 500


@pytest.mark.parametrize("text", ["FAIL 400", "CUT half a sen"])
def test_fallback_model_is_not_asked_in_vain(client_for, alice, conversation, model, text):
    """The same request would fail again, or a part of the reply has been sent."""
    conversation.agent.fallback_model = "openai/backup"
    conversation.agent.save()

    assert send(client_for(alice), conversation, text).status_code in (400, 500)

    assert len(model.requests) == 1


def test_silent_provider_times_out(client_for, alice, conversation, configure, model):
    configure(MODEL_TIMEOUT=0.3)

    response = send(client_for(alice), conversation, "PAUSE 5\nSAY one two")

    assert response.status_code == 504
    assert response.json()["error"]["type"] == "llm_timeout"
    # A reply that has started is not retried: its tools could run twice.
    assert len(model.requests) == 1


@pytest.mark.parametrize("path", ["messages", "compact"])
def test_endless_reply_times_out(client_for, alice, conversation, monkeypatch, model, path):
    make_messages(conversation, "one", "two", "three", "four")
    monkeypatch.setattr("conversations.runtime.replies.REPLY_TIMEOUT", 0.5)
    settings = {"mode": "all", "model": "openai/SLOW-MODEL"}
    body = {"input": "PAUSE 0.2\nSAY a b c d e f g", "compaction_settings": settings}

    response = client_for(alice).post(
        f"/v1/conversations/{conversation.pk}/{path}", {**body, "streaming": False}
    )

    assert response.status_code == 504
    assert response.json()["error"]["type"] == "llm_timeout"
    assert len(texts(conversation)) == (5 if path == "messages" else 4)


def test_unreachable_provider_fails_turn(client_for, alice, conversation, configure):
    configure(PROVIDERS={"openai": {"base_url": "http://127.0.0.1:9/v1"}})

    response = send(client_for(alice), conversation, "hello")

    assert response.status_code == 500
    assert response.json()["error"]["type"] == "llm_connection_error"


def test_provider_removed_after_start_fails_turn(
    client_for, alice, conversation, configure, model, in_thread, running_run
):
    configured = conf.PROVIDERS
    configure(PROVIDERS=configured | {"other": {"base_url": model.url}})
    text = 'HOLD\nCALL memory_insert {"label": "human", "new_string": "tall"}\nSAY done'
    answer = in_thread(send, client_for(alice), conversation, text, override_model="other/large")
    running_run()
    deadline = time.monotonic() + 10
    while not model.requests and time.monotonic() < deadline:
        time.sleep(0.01)
    configure(PROVIDERS=configured)
    model.go_on()

    error = answer().json()["error"]

    assert error["type"] == "llm_not_found"
    assert error["detail"] == "No provider of this process answers for other/large"
    assert conversation.agent.blocks.get().value == "about human\ntall"


def test_failed_turn_keeps_finished_steps(client_for, alice, conversation):
    text = 'CALL memory_insert {"label": "human", "new_string": "tall"}\nFAIL 400'

    response = send(client_for(alice), conversation, text)

    assert response.status_code == 400
    assert [role for role, _ in texts(conversation)] == ["user", "assistant", "tool"]
    assert conversation.agent.blocks.get().value == "about human\ntall"
    assert [step.error == "" for step in Step.objects.order_by("number")] == [True, False]
    assert send(client_for(alice), conversation, "SAY on").status_code == 200


def test_turn_adds_nothing_to_deleted_conversation(
    client_for, alice, conversation, in_thread, running_run
):
    client = client_for(alice)
    answer = in_thread(send, client_for(alice), conversation, "HOLD\nSAY too late")
    run = running_run()

    client.delete(f"/v1/conversations/{conversation.pk}")

    assert answer().json()["stop_reason"]["stop_reason"] == "cancelled"
    assert texts(conversation) == [("user", "HOLD\nSAY too late")]
    run.refresh_from_db()
    assert run.status == "cancelled"


def test_internal_error_fails_turn_and_frees_conversation(
    client_for, alice, conversation, monkeypatch
):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("conversations.runtime.turn_loop.plan_step", broken)
    response = send(client_for(alice), conversation, "hello")
    monkeypatch.undo()

    assert response.status_code == 500
    assert response.json()["error"]["type"] == "internal_error"
    assert "secret" not in str(response.json())
    assert send(client_for(alice), conversation, "SAY ok").status_code == 200
