"""A turn can be cancelled at any moment; messages are kept, and no tool call awaits a result."""

import threading
import time

import pytest

from conversations.domain.actor import Actor, Source
from conversations.domain.integrity.check import find_breaches
from conversations.domain.runs.request import TurnRequest
from conversations.domain.runs.start import start_run
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.models import Conversation, Run, RunEvent
from conversations.runtime import turn_loop as turns
from conversations.runtime.runtime import get_runtime

from ..factories import make_agent, make_conversation, make_messages
from .processes import until
from .streams import send, texts


@pytest.fixture
def conversation(alice) -> Conversation:
    return make_conversation(make_agent(alice, labels=["human"], tools=BASE_TOOLS))


@pytest.fixture
def held(monkeypatch):
    """`entered = held("begin_turn")` holds that function until the run's cancellation is asked."""

    def hold(name: str) -> threading.Event:
        real, entered = getattr(turns, name), threading.Event()

        def wait_first(*args, **kwargs):
            entered.set()
            asked = Run.objects.exclude(cancel_requested_at=None).exists
            until(asked, seconds=60, what="the cancellation is requested")
            return real(*args, **kwargs)

        monkeypatch.setattr(turns, name, wait_first)
        return entered

    return hold


@pytest.mark.parametrize(
    ("verb", "kept"),
    [
        ("begin_turn", ["user"]),
        ("plan_step", ["user"]),
        ("store_step", ["user", "assistant"]),
        ("end_run", ["user"]),
    ],
)
def test_cancel_during_each_verb_keeps_input(
    client_for, alice, conversation, in_thread, held, verb, kept
):
    entered = held(verb)
    text = "FAIL 400" if verb == "end_run" else "SAY hello"
    answer = in_thread(send, client_for(alice), conversation, text)
    until(entered.is_set, seconds=60, what="the function is called")

    client_for(alice).post(f"/v1/conversations/{conversation.pk}/cancel")

    answer()
    assert [role for role, _ in texts(conversation)] == kept
    assert not Run.objects.active().exists()
    assert list(find_breaches()) == []
    assert send(client_for(alice), conversation, "SAY on").status_code == 200


def test_cancel_before_task_starts(alice, conversation, model):
    """A turn can be cancelled while the event loop is busy with other turns."""
    worker = get_runtime().worker
    said = {"role": "user", "content": [{"type": "text", "text": "SAY hello"}]}
    run = start_run(
        conversation,
        by=Actor(alice, Source.API),
        request=TurnRequest(input=[said]),
        worker=worker.name,
        kind="test",
    ).run
    worker._loop.call_soon_threadsafe(time.sleep, 0.3)
    worker.execute(run)

    get_runtime().cancel_run(run)

    run.refresh_from_db()
    assert run.status == "cancelled"
    assert texts(conversation) == [("user", "SAY hello")]
    assert model.requests == []


def test_cancel_during_compaction(client_for, alice, in_thread, running_run, model):
    agent = make_agent(alice, context_window_limit=3000, model="openai/SLOW-MODEL")
    conversation = make_conversation(agent)
    make_messages(conversation, *(f"{n} {'word ' * 400}" for n in range(6)))
    answer = in_thread(send, client_for(alice), conversation, "SAY fits")
    until(lambda: model.requests, seconds=60, what="the summary is requested")

    client_for(alice).post(f"/v1/conversations/{conversation.pk}/cancel")

    assert answer().json()["stop_reason"]["stop_reason"] == "cancelled"
    assert texts(conversation)[-1] == ("user", "SAY fits")
    assert conversation.message_links.get(position=7).in_context
    assert list(find_breaches()) == []


def test_cancel_drops_incomplete_call(client_for, alice, conversation, in_thread, model):
    text = 'PAUSE 0.3\nCALL memory_insert {"label": "human", "new_string": "x"}'
    answer = in_thread(send, client_for(alice), conversation, text, stream_tokens=True)
    until(RunEvent.objects.exists, seconds=60, what="part of the call is published")

    client_for(alice).post(f"/v1/conversations/{conversation.pk}/cancel")

    answer()
    assert [role for role, _ in texts(conversation)] == ["user"]
    assert conversation.agent.blocks.get().version == 1
    send(client_for(alice), conversation, "SAY on")
    assert [m["role"] for m in model.requests[-1]["messages"]] == ["system", "user", "user"]


def test_cancelled_unclaimed_run_frees_its_otid(client_for, alice, conversation, configure):
    """No worker has claimed the run yet."""
    configure(RUN_TURNS_IN_WEB=False)
    client = client_for(alice)
    message = {"role": "user", "content": "SAY hi", "otid": "my-1"}
    path = f"/v1/agents/{conversation.agent_id}/messages/async"
    first = client.post(path, {"messages": [message]}).json()
    assert client.post(f"/v1/runs/{first['id']}/cancel").json() == {first["id"]: "cancelled"}

    second = client.post(path, {"messages": [message]}).json()

    assert second["id"] != first["id"]
    assert second["status"] == "created"
