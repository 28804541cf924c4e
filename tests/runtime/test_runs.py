"""Runs: one active run per conversation, resumable streams, cancellation, idempotency."""

import asyncio
import threading
from contextlib import aclosing

import pytest
from django.utils import timezone

from conversations.domain.runs.recovery import recover_stalled_runs
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.models import Conversation, IdempotencyRecord, Run
from conversations.runtime.runtime import get_runtime

from ..factories import make_agent, make_conversation, make_run
from .processes import until
from .streams import body_of, events_of, post, said, send, stream, texts, types


@pytest.fixture
def conversation(alice) -> Conversation:
    return make_conversation(make_agent(alice, labels=["human"], tools=BASE_TOOLS))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_second_turn_conflicts_in_every_mode(
    client_for, alice, conversation, in_thread, running_run, model, first, second
):
    answer = in_thread(send, client_for(alice), conversation, "HOLD\nSAY slow", streaming=first)
    run = running_run()

    refused = send(client_for(alice), conversation, "SAY quick", streaming=second)

    assert refused.status_code == 409
    assert refused.json()["run_id"] == run.pk
    assert refused.json()["detail"].startswith("CONFLICT: Cannot send a new message")
    model.go_on()
    assert answer().status_code == 200
    assert texts(conversation) == [("user", "HOLD\nSAY slow"), ("assistant", "slow")]


def test_other_conversation_is_not_blocked(
    client_for, alice, conversation, in_thread, running_run, model
):
    answer = in_thread(send, client_for(alice), conversation, "HOLD\nSAY slow")
    running_run()

    other = make_conversation(conversation.agent)

    assert send(client_for(alice), other, "SAY quick").status_code == 200
    model.go_on()
    assert answer().status_code == 200


def test_concurrent_messages_start_one_turn(client_for, alice, conversation, model):
    """V1 accepted all six, interleaved them, and kept five of them from the model."""
    clients = [client_for(alice) for _ in range(6)]
    barrier, statuses = threading.Barrier(6), []

    def work(client, text):
        barrier.wait()
        statuses.append(send(client, conversation, text).status_code)

    threads = [
        threading.Thread(target=work, args=(client, f"HOLD\nSAY {n}"))
        for n, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    until(lambda: len(statuses) == 5, seconds=60, what="all but one are rejected")
    model.go_on()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200, 409, 409, 409, 409, 409]
    assert [role for role, _ in texts(conversation)] == ["user", "assistant"]
    positions = conversation.message_links.values_list("position", "in_context")
    assert sorted(positions) == [(0, True), (1, True), (2, True)]


def test_finished_run_streams_again(client_for, alice, conversation):
    client = client_for(alice)
    events = stream(client, conversation, "SAY one two three", stream_tokens=True)
    run = Run.objects.get()

    again = events_of(client.post(f"/v1/runs/{run.pk}/stream"))
    rest = events_of(client.post(f"/v1/runs/{run.pk}/stream", {"starting_after": 2}))

    assert again == events
    assert rest == events[2:]


def test_second_and_returning_follower_get_same_events(
    client_for, alice, conversation, in_thread, running_run
):
    text = "PAUSE 0.15\nSAY a b c d e f"
    first = in_thread(
        stream, client_for(alice), conversation, text, stream_tokens=True, include_pings=False
    )
    run = running_run()
    path = f"/v1/conversations/{conversation.pk}/stream"
    second = in_thread(post, client_for(alice), path)
    until(lambda: run.events.count() > 3, seconds=60, what="the third event is stored")
    third = in_thread(post, client_for(alice), path, {"run_id": run.pk, "starting_after": 3})

    assert said(first()) == "a b c d e f"
    assert events_of(second()) == first()
    assert events_of(third()) == first()[3:]


def test_stream_by_otid(client_for, alice, conversation):
    client = client_for(alice)
    body = {"messages": [{"role": "user", "content": "SAY hi", "otid": "my-1"}]}
    events = events_of(client.post(f"/v1/conversations/{conversation.pk}/messages", body))
    path = f"/v1/conversations/{conversation.pk}/stream"

    assert events_of(client.post(path, {"otid": "my-1"})) == events
    assert client.post(path, {"otid": "other"}).status_code == 404
    nothing = client.post(path)
    assert nothing.status_code == 400
    assert nothing.json()["detail"].startswith("INVALID_ARGUMENT: No active runs found")


def test_turn_completes_after_client_disconnects(client_for, alice, conversation):
    path = f"/v1/conversations/{conversation.pk}/messages"
    client_for(alice).post(path, {"input": "SAY hi"}).close()

    until(lambda: not Run.objects.active().exists(), seconds=60, what="the turn ends")
    assert texts(conversation) == [("user", "SAY hi"), ("assistant", "hi")]


@pytest.mark.parametrize("streaming", [True, False])
def test_same_otid_returns_same_run(client_for, alice, conversation, streaming):
    client = client_for(alice)
    message = {"role": "user", "content": "SAY hi", "otid": "my-1"}
    path = f"/v1/conversations/{conversation.pk}/messages"

    first = client.post(path, {"messages": [message], "streaming": False}).json()
    again = client.post(path, {"messages": [message], "streaming": streaming})

    if streaming:
        assert said(events_of(again)) == "hi"
    else:
        assert again.json() == first
    assert Run.objects.count() == 1
    assert texts(conversation) == [("user", "SAY hi"), ("assistant", "hi")]


def test_same_otid_during_run_returns_same_answer(client_for, alice, conversation, in_thread):
    message = {"role": "user", "content": "SLEEP 0.5\nSAY hi", "otid": "my-1"}
    path = f"/v1/conversations/{conversation.pk}/messages"
    body = {"messages": [message], "streaming": False}

    answers = [in_thread(client_for(alice).post, path, body) for _ in range(3)]

    first = answers[0]().json()
    assert said(first["messages"]) == "hi"
    assert [answer().json() for answer in answers] == [first] * 3
    assert Run.objects.count() == 1


def test_same_idempotency_key_returns_same_run(client_for, alice, conversation):
    client = client_for(alice)
    path = f"/v1/conversations/{conversation.pk}/messages"
    body = {"input": "SAY hi", "streaming": False}
    key = {"HTTP_IDEMPOTENCY_KEY": "k1"}

    first, again = (client.post(path, body, **key).json() for _ in "12")
    other = client.post(path, {**body, "input": "SAY something else"}, **key)

    assert first == again
    assert IdempotencyRecord.objects.get().run == Run.objects.get()
    assert Run.objects.count() == 1
    assert other.status_code == 400
    assert "different request" in other.json()["detail"]


@pytest.mark.parametrize(
    "change",
    [
        {"override_model": "openai/other"},
        {"override_system": "Be brief."},
        {"max_steps": 3},
        {"client_tools": [{"name": "ask"}]},
    ],
)
def test_key_of_turn_covers_the_whole_request(client_for, alice, conversation, change):
    client = client_for(alice)
    path = f"/v1/conversations/{conversation.pk}/messages"
    body = {"input": "SAY hi", "streaming": False}
    key = {"HTTP_IDEMPOTENCY_KEY": "k1"}
    client.post(path, body, **key)

    assert client.post(path, {**body, **change}, **key).status_code == 400
    assert Run.objects.count() == 1


def test_failed_run_without_messages_frees_its_otid(client_for, alice, conversation, model):
    client = client_for(alice)
    message = {"role": "user", "content": "FAIL 400 x1\nSAY hi", "otid": "my-1"}
    path = f"/v1/conversations/{conversation.pk}/messages"
    body = {"messages": [message], "streaming": False}

    assert client.post(path, body).status_code == 400
    assert said(client.post(path, body).json()["messages"]) == "hi"
    assert said(client.post(path, body).json()["messages"]) == "hi"
    assert Run.objects.count() == 2
    assert len(texts(conversation)) == 2


@pytest.mark.parametrize("by", ["conversation", "agent", "run"])
def test_cancel_keeps_what_the_model_said(
    client_for, alice, conversation, in_thread, running_run, by
):
    text = "PAUSE 0.2\nSAY one two three four five six seven eight nine ten"
    answer = in_thread(stream, client_for(alice), conversation, text, stream_tokens=True)
    run = running_run()
    until(lambda: run.events.count() > 2, seconds=60, what="part of the reply is published")
    path = {
        "conversation": f"conversations/{conversation.pk}/cancel",
        "agent": f"agents/{conversation.agent_id}/messages/cancel",
        "run": f"runs/{run.pk}/cancel",
    }[by]

    cancelled = client_for(alice).post(f"/v1/{path}")

    assert cancelled.json() == {run.pk: "cancelled"}
    events = answer()
    assert events[-1] == {"message_type": "stop_reason", "stop_reason": "cancelled"}
    # The user message and the partial reply are kept.
    [(_, asked), (_, answered)] = texts(conversation)
    assert asked == text
    assert answered == said(events)
    assert "one two three four five six seven eight nine ten".startswith(answered)
    assert send(client_for(alice), conversation, "SAY after").status_code == 200
    refused = client_for(alice).post(f"/v1/{path}")
    assert refused.status_code == 409


def test_cancel_before_first_token(client_for, alice, conversation, in_thread, running_run, model):
    answer = in_thread(send, client_for(alice), conversation, "HOLD\nSAY slow")
    running_run()
    until(lambda: model.requests, seconds=60, what="the model is called")

    client_for(alice).post(f"/v1/conversations/{conversation.pk}/cancel")

    assert answer().json()["stop_reason"]["stop_reason"] == "cancelled"
    assert texts(conversation) == [("user", "HOLD\nSAY slow")]


LONG_AGO = timezone.now() - timezone.timedelta(hours=1)


@pytest.mark.parametrize(
    ("state", "error_type"),
    [
        ({"status": "running", "heartbeat_at": LONG_AGO, "attempts": 3}, "worker_died"),
        ({"status": "created", "queued_at": LONG_AGO}, "queue_timeout"),
    ],
)
def test_stalled_run_is_failed_by_next_message(client_for, alice, conversation, state, error_type):
    dead = make_run(conversation, **state)

    answer = send(client_for(alice), conversation, "SAY hi")

    assert answer.status_code == 200
    dead.refresh_from_db()
    assert (dead.status, dead.error_type) == ("failed", error_type)
    events = events_of(client_for(alice).post(f"/v1/runs/{dead.pk}/stream"))
    assert types(events) == ["stop_reason", "error_message"]


@pytest.mark.parametrize("reason", ["cancel requested", "conversation deleted"])
def test_run_of_lost_worker_is_not_resumed(conversation, reason):
    fields = {"status": "running", "heartbeat_at": LONG_AGO, "attempts": 1}
    if reason == "cancel requested":
        fields["cancel_requested_at"] = LONG_AGO
    else:
        Conversation.objects.filter(pk=conversation.pk).update(deleted_at=LONG_AGO)
    dead = make_run(conversation, **fields)

    recover_stalled_runs()

    dead.refresh_from_db()
    assert (dead.status, dead.stop_reason) == ("cancelled", "cancelled")


def test_recovery_ignores_live_and_waiting_runs(conversation):
    alive = make_run(conversation, status="running", worker="w", heartbeat_at=timezone.now())
    waiting = make_run(make_conversation(conversation.agent), queued_at=timezone.now())

    assert recover_stalled_runs() == []

    for run, status in ((alive, "running"), (waiting, "created")):
        run.refresh_from_db()
        assert run.status == status


def test_run_lists_messages_steps_and_usage(client_for, alice, conversation, mallory):
    client = client_for(alice)
    text = 'CALL memory_insert {"label": "human", "new_string": "x"}\nSAY ok'
    send(client, conversation, text)
    run = Run.objects.get()

    messages = client.get(f"/v1/runs/{run.pk}/messages?order=asc").json()
    steps = client.get(f"/v1/runs/{run.pk}/steps?order=asc").json()
    usage = client.get(f"/v1/runs/{run.pk}/usage").json()
    listed = client.get(f"/v1/steps/?agent_id={conversation.agent_id}").json()

    assert types(messages) == [
        "user_message",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
    ]
    assert [step["status"] for step in steps] == ["success", "success"]
    assert [step["stop_reason"] for step in steps] == [None, "end_turn"]
    assert usage["total_tokens"] == sum(step["total_tokens"] for step in steps) > 0
    assert [step["id"] for step in listed] == [step["id"] for step in reversed(steps)]
    assert client.get(f"/v1/steps/{steps[0]['id']}").json() == steps[0]
    of_step = client.get(f"/v1/steps/{steps[1]['id']}/messages").json()
    assert types(of_step) == ["assistant_message"]
    assert client.get(f"/v1/runs/{run.pk}/metrics").json()["num_steps"] == 2
    stranger = client_for(mallory)
    assert stranger.get(f"/v1/steps/{steps[0]['id']}").status_code == 404
    assert stranger.get("/v1/steps/").json() == []
    assert stranger.post(f"/v1/runs/{run.pk}/stream").status_code == 404


def test_delete_run_conflicts_while_active(
    client_for, alice, conversation, in_thread, running_run, model
):
    client = client_for(alice)
    answer = in_thread(send, client_for(alice), conversation, "HOLD\nSAY hi")
    run = running_run()

    assert client.delete(f"/v1/runs/{run.pk}").status_code == 409
    model.go_on()
    answer()
    assert client.delete(f"/v1/runs/{run.pk}").json() is None
    assert client.get(f"/v1/runs/{run.pk}").status_code == 404
    # Deletes the run, not its messages.
    assert len(texts(conversation)) == 2


def test_run_of_whole_answer_completes(client_for, alice, conversation):
    """V1 kept the status `created` and stored no conversation."""
    client = client_for(alice)
    send(client, conversation, "SAY hi")

    [run] = client.get(f"/v1/runs/?conversation_id={conversation.pk}").json()

    assert run["status"] == "completed"
    assert run["completed_at"]
    assert run["total_duration_ns"] > 0
    assert client.get("/v1/runs/?active=true").json() == []
    by_run = "/v1/conversations/?order_by=last_run_completion"
    assert client.get(by_run).json()[0]["id"] == conversation.pk


def test_leaving_follower_is_unsubscribed(client_for, alice, conversation):
    stream(client_for(alice), conversation, "SAY one two three", stream_tokens=True)
    run = Run.objects.get()

    broker = get_runtime().broker

    async def look_once():
        async with aclosing(broker.follow(run)) as followed:
            async for _ in followed:
                break

    asyncio.run(look_once())

    assert not broker.has_subscribers(run.pk)


def test_follow_beyond_last_event_is_empty(
    client_for, alice, conversation, in_thread, running_run, model
):
    answer = in_thread(stream, client_for(alice), conversation, "HOLD\nSAY a b")
    run = running_run()
    path = f"/v1/runs/{run.pk}/stream"
    during = in_thread(post, client_for(alice), path, {"starting_after": 1000})
    model.go_on()
    answer()

    assert events_of(during()) == []
    assert events_of(client_for(alice).post(path, {"starting_after": 2**31 - 1})) == []


def test_idle_stream_sends_pings(client_for, alice, conversation, monkeypatch):
    monkeypatch.setattr("conversations.api.run_response.PING_INTERVAL", 0.2)
    monkeypatch.setattr("conversations.runtime.broker.IDLE_INTERVAL", 0.1)
    text = "SLEEP 0.7\nSAY hi"

    with_pings = send(client_for(alice), conversation, text, streaming=True)
    without = send(client_for(alice), conversation, text, streaming=True, include_pings=False)

    assert body_of(with_pings).count(b'"message_type":"ping"') >= 3
    assert b'"message_type":"ping"' not in body_of(without)


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("path", ["messages", "messages/stream", "summarize"])
def test_agent_routes_conflict_with_active_run(
    client_for, alice, in_thread, running_run, model, path, background
):
    agent = make_agent(alice)
    own = Conversation.objects.get(agent=agent, is_default=True)
    answer = in_thread(send, client_for(alice), own, "HOLD\nSAY slow", background=background)
    run = running_run()

    refused = client_for(alice).post(f"/v1/agents/{agent.pk}/{path}", {"input": "SAY quick"})

    assert refused.status_code == 409
    assert refused.json()["run_id"] == run.pk
    model.go_on()
    assert answer().status_code == 200


def test_concurrent_different_requests_with_one_key(client_for, alice, conversation, in_thread):
    path = f"/v1/conversations/{conversation.pk}/messages"
    posts = [
        in_thread(
            client_for(alice).post,
            path,
            {"input": f"SLEEP 0.3\nSAY {n}", "streaming": False},
            HTTP_IDEMPOTENCY_KEY="k1",
        )
        for n in range(4)
    ]

    answers = [post() for post in posts]

    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert Run.objects.count() == 1
    assert len(texts(conversation)) == 2


def test_otids_belong_to_one_conversation(client_for, alice, mallory, conversation):
    """Another conversation or organization that uses the same otid gets a run of its own."""
    others = [make_conversation(conversation.agent), make_conversation(make_agent(mallory))]
    message = {"role": "user", "content": "SAY hi", "otid": "my-1"}
    body = {"messages": [message], "streaming": False}
    for thread, user in [(conversation, alice), (others[0], alice), (others[1], mallory)]:
        answer = client_for(user).post(f"/v1/conversations/{thread.pk}/messages", body)
        assert answer.status_code == 200
        assert len(texts(thread)) == 2
    theirs = others[1].runs.get()
    path = f"/v1/conversations/{conversation.pk}/stream"
    assert client_for(alice).post(path, {"run_id": theirs.pk}).status_code == 404
    # Nor can a stream be found by the id of another conversation's run.
    assert client_for(alice).post(path, {"run_id": others[0].runs.get().pk}).status_code == 404
    cancelled = client_for(alice).post(
        f"/v1/agents/{conversation.agent_id}/messages/cancel", {"run_ids": [theirs.pk]}
    )
    assert cancelled.status_code == 409
