"""After a run has ended, its former worker can't write anything more."""

import asyncio
import logging
import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from conversations.context import bound, current
from conversations.domain.runs.events import NumberedEvent, RunLost, TextEvent, insert_events
from conversations.domain.runs.finish import (
    CANCELLED,
    end_run,
    finish_and_append,
    force_cancel,
)
from conversations.domain.runs.leases import claim_run
from conversations.domain.runs.recovery import recover_if_stalled, worker_lost
from conversations.models import Conversation, Run, RunEvent
from conversations.runtime.broker import EventBroker
from conversations.runtime.event_writer import EventWriter
from conversations.runtime.runtime import get_runtime
from conversations.runtime.worker import Worker
from conversations.tenancy import acting_for_all

from ..factories import make_agent, make_conversation, make_run
from .processes import until
from .streams import events_of, send, stream, texts, types


@pytest.fixture
def conversation(alice) -> Conversation:
    return make_conversation(make_agent(alice))


def chunk(run: Run, seq: int, text="x") -> NumberedEvent:
    return NumberedEvent(run.pk, seq, TextEvent(message="m", text=text))


def is_lock_awaited() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0] > 0


def event_types(run: Run) -> list[str]:
    return [data["type"] for data in run.events.order_by("seq").values_list("data", flat=True)]


def test_lost_worker_cannot_write(client_for, alice, conversation, in_thread, running_run, model):
    text = "PAUSE 0.1\nSAY a b c d e f g h i j k l"
    answer = in_thread(stream, client_for(alice), conversation, text, stream_tokens=True)
    run = running_run()
    until(lambda: run.events.count() > 2, seconds=60, what="part of the reply is published")

    with transaction.atomic():
        locked = Run.objects.select_for_update().get(pk=run.pk)
        finish_and_append(locked, worker_lost(locked))
    # The conversation is free at once, while the first process still runs the turn.
    assert send(client_for(alice), conversation, "SAY next").status_code == 200
    until(lambda: not get_runtime().worker.active_runs, seconds=60, what="the worker stops")

    assert types(answer())[-2:] == ["stop_reason", "error_message"]
    again = events_of(client_for(alice).post(f"/v1/runs/{run.pk}/stream"))
    assert types(again)[-2:] == ["stop_reason", "error_message"]
    assert texts(conversation) == [("user", text), ("user", "SAY next"), ("assistant", "next")]
    plain = Run.objects.get(pk=run.pk)
    assert (plain.status, plain.error_type) == ("failed", "worker_died")


@pytest.mark.postgres_only
def test_concurrent_chunk_does_not_lose_last_events(conversation):
    run = make_run(conversation, status="running", worker="slow")
    insert_events([chunk(run, 1)])
    is_in_between = threading.Event()

    @acting_for_all()
    def write_slowly():
        with transaction.atomic():
            insert_events([chunk(run, 2)])
            is_in_between.set()
            until(is_lock_awaited, seconds=60, what="the cancellation waits for the lock")
        connection.close()

    thread = threading.Thread(target=write_slowly)
    thread.start()
    is_in_between.wait(5)
    force_cancel(run)
    thread.join()

    assert event_types(run) == ["text", "text", "stop"]


def test_unstorable_event_fails_only_its_run(conversation):
    good = make_run(conversation, status="running")
    bad = make_run(make_conversation(conversation.agent), status="running")

    async def write():
        writer = EventWriter(EventBroker())
        writer.write(chunk(good, 1))
        writer.write(chunk(bad, 1, text=object()))
        writer.write(chunk(good, 2))
        await writer.flush(good.pk)
        with pytest.raises(TypeError):
            await writer.flush(bad.pk)
        # After the chunk that can't be stored, no later chunk is stored either.
        with pytest.raises(TypeError):
            writer.write(chunk(bad, 2))
        writer.write(chunk(good, 3))
        await writer.flush(good.pk)

    asyncio.run(write())

    assert event_types(good) == ["text"] * 3
    assert not RunEvent.objects.filter(run=bad).exists()


def test_lost_attempt_cannot_write_after_same_worker_claims_again(conversation, configure):
    configure(STALLED_RUN_TIMEOUT=1.0)
    long_ago = timezone.now() - timedelta(seconds=5)
    fields = {"status": "running", "worker": "paused", "attempts": 1, "heartbeat_at": long_ago}
    lost = make_run(conversation, **fields)
    insert_events([chunk(lost, 1)])

    assert not recover_if_stalled(lost)
    again = claim_run("paused")

    assert (again.pk, again.attempts) == (lost.pk, 2)
    with pytest.raises(RunLost):
        end_run(lost, CANCELLED, worker="paused")
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_events([chunk(lost, 2)])
    assert [event.seq for event in end_run(again, CANCELLED, worker="paused")] == [3]


class RequestIds(logging.Handler):
    """Collects the request's id in the context of each log record."""

    def __init__(self):
        super().__init__()
        self.found = []

    def emit(self, record):
        self.found.append(current().request_id)


def test_recovery_is_not_logged_as_part_of_a_request(conversation):
    long_ago = timezone.now() - timedelta(days=1)
    fields = {"status": "running", "worker": "lost", "attempts": 1, "heartbeat_at": long_ago}
    lost = make_run(conversation, **fields, cancel_requested_at=long_ago)
    ids = RequestIds()
    logging.getLogger("conversations.runtime.worker").addHandler(ids)

    with bound(request_id="r-1"):
        worker = Worker(EventBroker())
    try:
        until(lambda: ids.found, seconds=30, what="the run is recovered")
    finally:
        worker.drain(0)
        worker.close()
        logging.getLogger("conversations.runtime.worker").removeHandler(ids)

    assert set(ids.found) == {""}
    assert Run.objects.get(pk=lost.pk).status == "cancelled"
