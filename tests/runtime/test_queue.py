"""Messages to a busy conversation: rejected, queued or interrupting."""

import pytest
from django.utils import timezone

from conversations.domain.actor import Actor, Source
from conversations.domain.conversations.accounts import issue_key
from conversations.domain.conversations.agents import set_tool_approval
from conversations.domain.runs import finish
from conversations.domain.runs.recovery import begin_queued_runs, waiting_runs
from conversations.domain.runs.request import TurnRequest
from conversations.domain.runs.start import start_run
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.models import Conversation, IdempotencyRecord, Run
from conversations.runtime.runtime import get_runtime

from ..factories import make_agent, make_conversation, make_run
from ..script import call, hold, say, script
from .processes import kill, until, web_server, worker
from .processes import post as post_to
from .streams import events_of, post, said, send, stream, texts

SLOW = script(hold(), say("slow"))


@pytest.fixture
def conversation(alice) -> Conversation:
    return make_conversation(make_agent(alice, labels=["human"], tools=BASE_TOOLS))


@pytest.fixture
def client(client_for, alice):
    return client_for(alice)


def all_over() -> bool:
    return not Run.objects.unfinished().exists()


def send_async(client, agent_id: str, text: str, **fields):
    return client.post(f"/v1/agents/{agent_id}/messages/async", {"input": text, **fields})


def test_background_messages_are_answered_in_order(client, alice, model):
    """Programs such as ai-memory-sdk send without waiting."""
    agent = make_agent(alice)
    own = Conversation.objects.get(agent=agent, is_default=True)

    runs = [send_async(client, agent.pk, text).json() for text in (SLOW, "SAY b", "SAY c")]
    until(lambda: model.requests, seconds=60, what="the first turn is asked")

    listed = client.get("/v1/runs/?active=true").json()
    assert {run["id"]: run["status"] for run in listed} == {
        runs[0]["id"]: "running",
        runs[1]["id"]: "created",
        runs[2]["id"]: "created",
    }
    assert {run["id"] for run in client.get("/v1/runs/?statuses=created").json()} == {
        runs[1]["id"],
        runs[2]["id"],
    }
    assert texts(own) == [("user", SLOW)]
    model.go_on()
    until(all_over, seconds=60, what="all turns end")
    assert texts(own) == [
        *[("user", SLOW), ("assistant", "slow")],
        *[("user", "SAY b"), ("assistant", "b")],
        *[("user", "SAY c"), ("assistant", "c")],
    ]
    assert len(model.requests[1]["messages"]) == 4


@pytest.mark.parametrize("streaming", [True, False])
def test_queued_message_waits_for_its_answer(
    client_for, alice, conversation, in_thread, running_run, model, streaming
):
    first = in_thread(send, client_for(alice), conversation, SLOW)
    running_run()
    second = in_thread(
        send, client_for(alice), conversation, "SAY b", on_busy="queue", streaming=streaming
    )
    until(lambda: Run.objects.queued().exists(), seconds=60, what="the second run is queued")
    model.go_on()

    assert first().status_code == 200
    answer = second()
    messages = events_of(answer) if streaming else answer.json()["messages"]
    assert said(messages) == "b"


@pytest.mark.parametrize(
    ("of_agent", "in_body", "background", "status"),
    [
        (None, None, False, 409),
        (None, None, True, 200),
        ("queue", None, False, 200),
        ("reject", None, True, 409),
        ("queue", "reject", False, 409),
        ("reject", "queue", False, 200),
    ],
)
def test_on_busy_of_body_precedes_the_agents(
    client,
    conversation,
    in_thread,
    client_for,
    alice,
    running_run,
    model,
    of_agent,
    in_body,
    background,
    status,
):
    changed = client.patch(f"/v1/agents/{conversation.agent_id}", {"on_busy": of_agent})
    assert changed.json()["on_busy"] == of_agent
    first = in_thread(send, client_for(alice), conversation, SLOW)
    running_run()
    fields = {"background": background} | ({"on_busy": in_body} if in_body else {})

    path = f"/v1/conversations/{conversation.pk}/messages"
    response = client.post(path, {"input": "SAY b", **fields})

    assert response.status_code == status
    response.close()
    model.go_on()
    first()
    until(all_over, seconds=60, what="all turns end")


def test_interrupt_cancels_active_and_queued_turns(
    client, client_for, alice, conversation, in_thread, running_run, model
):
    first = in_thread(send, client_for(alice), conversation, SLOW)
    running_run()
    until(lambda: model.requests, seconds=60, what="the model is asked")
    second = in_thread(send, client_for(alice), conversation, "SAY b", on_busy="queue")
    until(lambda: Run.objects.queued().exists(), seconds=60, what="the second run is queued")

    third = send(client, conversation, "SAY c", on_busy="interrupt")

    assert said(third.json()["messages"]) == "c"
    assert first().json()["stop_reason"]["stop_reason"] == "cancelled"
    assert second().json()["stop_reason"]["stop_reason"] == "cancelled"
    # The interrupted messages stay, in order, and the last turn has read them.
    assert [text for _, text in texts(conversation)] == [SLOW, "SAY b", "SAY c", "c"]


def test_interrupt_of_unclaimed_turn_begins_at_once(alice, conversation, model):
    waiting = make_run(conversation, queued_at=timezone.now())
    said = {"role": "user", "content": [{"type": "text", "text": "SAY b"}]}

    started = start_run(
        conversation,
        by=Actor(alice, Source.API),
        request=TurnRequest(input=[said]),
        on_busy="interrupt",
        kind="test",
    )

    assert started.run.status == "created"
    waiting.refresh_from_db()
    assert waiting.status == "cancelled"
    get_runtime().start_worker()
    until(all_over, seconds=60, what="the turn ends")
    assert texts(conversation) == [("user", "SAY b"), ("assistant", "b")]


def test_queue_is_bounded(
    client, conversation, configure, in_thread, client_for, alice, running_run, model
):
    configure(MAX_QUEUED_TURNS=2)
    first = in_thread(send, client_for(alice), conversation, SLOW)
    running_run()
    agent = conversation.agent
    path = f"/v1/conversations/{conversation.pk}/messages"
    for _ in range(2):
        client.post(path, {"input": "SAY b", "on_busy": "queue"}).close()

    refused = client.post(path, {"input": "SAY b", "on_busy": "queue"})

    assert agent.runs.queued().count() == 2
    assert refused.status_code == 429
    assert refused["Retry-After"]
    model.go_on()
    first()
    until(all_over, seconds=60, what="all turns end")


def test_cancelled_queued_message_is_not_stored(
    client, client_for, alice, conversation, in_thread, running_run, model
):
    first = in_thread(send, client_for(alice), conversation, SLOW)
    running_run()
    second = in_thread(stream, client_for(alice), conversation, "SAY b", on_busy="queue")
    until(lambda: Run.objects.queued().exists(), seconds=60, what="the second run is queued")
    queued = Run.objects.queued().get()

    cancelled = client.post(f"/v1/runs/{queued.pk}/cancel")

    assert cancelled.json() == {queued.pk: "cancelled"}
    assert second()[-1]["stop_reason"] == "cancelled"
    model.go_on()
    first()
    assert texts(conversation) == [("user", SLOW), ("assistant", "slow")]


def test_cancel_of_conversation_includes_queued_turns(
    client, client_for, alice, conversation, in_thread, running_run, model
):
    first = in_thread(send, client_for(alice), conversation, SLOW)
    running_run()
    until(lambda: model.requests, seconds=60, what="the model is asked")
    path = f"/v1/conversations/{conversation.pk}"
    client.post(f"{path}/messages", {"input": "SAY b", "on_busy": "queue"}).close()

    cancelled = client.post(f"{path}/cancel")

    assert list(cancelled.json().values()) == ["cancelled", "cancelled"]
    assert first().json()["stop_reason"]["stop_reason"] == "cancelled"
    assert len(model.requests) == 1


def test_queued_turn_of_deleted_conversation_is_cancelled(
    client, client_for, alice, conversation, in_thread, running_run, model
):
    first = in_thread(send, client_for(alice), conversation, SLOW)
    running_run()
    path = f"/v1/conversations/{conversation.pk}"
    client.post(f"{path}/messages", {"input": "SAY b", "on_busy": "queue"}).close()

    client.delete(path)

    model.go_on()
    first()
    until(all_over, seconds=60, what="both runs end")
    assert set(conversation.runs.values_list("status", flat=True)) == {"cancelled"}
    assert ("user", "SAY b") not in texts(conversation)


def test_queued_turn_waits_for_an_approval(
    client, client_for, alice, conversation, in_thread, running_run, model
):
    by = Actor(alice, Source.API)
    set_tool_approval(conversation.agent, "memory_insert", True, by=by)
    text = script(hold(), call("memory_insert", label="human", new_string="x"), say("inserted"))
    first = in_thread(send, client_for(alice), conversation, text)
    running_run()
    path = f"/v1/conversations/{conversation.pk}/messages"
    client.post(path, {"input": "SAY b", "on_busy": "queue"}).close()
    model.go_on()
    assert first().json()["stop_reason"]["stop_reason"] == "requires_approval"

    begin_queued_runs()
    assert Run.objects.queued().count() == 1
    assert send(client, conversation, "SAY c", on_busy="queue").status_code == 409

    approval = {"type": "approval", "approve": True, "approval_request_id": None}
    post(client, path, {"messages": [approval], "streaming": False})
    until(all_over, seconds=60, what="the queued turn ends")
    assert [text for _, text in texts(conversation)][-3:] == ["inserted", "SAY b", "b"]


def test_repeated_queued_message_follows_the_same_run(
    client, conversation, client_for, alice, in_thread, running_run, model
):
    first = in_thread(send, client_for(alice), conversation, SLOW)
    running_run()
    path = f"/v1/agents/{conversation.agent_id}/messages/async"
    own = Conversation.objects.get(agent=conversation.agent, is_default=True)
    busy = make_run(own, status="running", worker="w", heartbeat_at=timezone.now(), attempts=1)
    key = {"HTTP_IDEMPOTENCY_KEY": "k1"}

    runs = [client.post(path, {"input": "SAY b"}, **key) for _ in range(2)]

    assert runs[0].json() == runs[1].json()
    assert runs[1]["Idempotency-Replayed"] == "true"
    assert IdempotencyRecord.objects.get().run.status == Run.Status.QUEUED
    finish.force_cancel(busy)
    model.go_on()
    first()
    until(all_over, seconds=60, what="the queued turn ends")
    assert texts(own) == [("user", "SAY b"), ("assistant", "b")]


def test_waiting_runs_tell_count_and_age(conversation):
    assert waiting_runs().count == 0
    make_run(conversation, queued_at=timezone.now() - timezone.timedelta(minutes=2))

    waiting = waiting_runs()

    assert waiting.count == 1
    assert waiting.seconds >= 120
    assert waiting.is_late


@pytest.mark.parametrize("variables", [{}, {"RUN_TURNS_IN_WEB": "false"}])
def test_queued_turns_survive_killed_processes(client_for, alice, conversation, model, variables):
    _, secret = issue_key(alice, scope="write")
    short = {"STALLED_RUN_TIMEOUT": "1", **variables}
    path = f"agents/{conversation.agent_id}/messages/async"
    own = Conversation.objects.get(agent=conversation.agent, is_default=True)
    with web_server(model, **short) as (server, url):
        if variables:
            with worker(model, **short) as first:
                for text in (SLOW, "SAY b", "SAY c"):
                    post_to(url, secret, path, {"input": text})
                until(lambda: model.requests, seconds=60, what="the model is asked")
                kill(first)
        else:
            for text in (SLOW, "SAY b", "SAY c"):
                post_to(url, secret, path, {"input": text})
            until(lambda: model.requests, seconds=60, what="the model is asked")
        kill(server)
    assert own.runs.queued().count() == 2
    model.go_on()

    with web_server(model, **short):
        if variables:
            with worker(model, **short):
                until(all_over, seconds=60, what="all turns end")
        until(all_over, seconds=60, what="all turns end")

    assert [text for _, text in texts(own)] == [SLOW, "slow", "SAY b", "b", "SAY c", "c"]
