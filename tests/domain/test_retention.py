from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conversations.domain.conversations.accounts import update_organization
from conversations.domain.conversations.conversations import restore_conversation
from conversations.domain.integrity.check import find_breaches
from conversations.domain.retention import RUN_BATCH_SIZE, clean_up, remove_events
from conversations.domain.runs.events import StopEvent, TextEvent, append_events
from conversations.models import (
    AuditEvent,
    Conversation,
    IdempotencyRecord,
    Run,
    RunEvent,
)

from ..factories import actor, make_agent, make_conversation, make_messages, make_run


def ago(**duration: float):
    return timezone.now() - timedelta(**duration)


def finished_run(conversation: Conversation, *, days: float, events: int = 3, **fields) -> Run:
    fields = {"status": "completed", "stop_reason": "end_turn", **fields}
    run = make_run(conversation, completed_at=ago(days=days), **fields)
    texts = [TextEvent(message="message-1", text="x") for _ in range(events - 1)]
    append_events(run.pk, [*texts, StopEvent("end_turn")])
    return run


def removed() -> int:
    return sum(clean_up())


@pytest.fixture
def conversation(alice) -> Conversation:
    return make_conversation(make_agent(alice))


def test_events_of_old_finished_runs_are_removed(conversation):
    old = finished_run(conversation, days=8)
    fresh = finished_run(conversation, days=6)
    active = make_run(conversation, status="running", created_at=ago(days=30))
    append_events(active.pk, [TextEvent(message="message-1", text="x")])

    assert removed() == 1

    assert set(RunEvent.objects.values_list("run", flat=True)) == {fresh.pk, active.pk}
    assert list(Run.objects.filter(events_removed=True)) == [old]
    assert removed() == 0


def test_retention_of_events_is_a_setting(conversation, configure):
    configure(EVENT_RETENTION=0.5)
    finished_run(conversation, days=0.4)
    finished_run(conversation, days=0.6)

    assert removed() == 1


@pytest.mark.parametrize("count", [1, RUN_BATCH_SIZE])
def test_batch_has_a_fixed_number_of_statements(conversation, count):
    for _ in range(count):
        finished_run(conversation, days=8)

    with CaptureQueriesContext(connection) as queries:
        assert remove_events() == count

    # A savepoint (2), the runs, their events, their traces, their marks.
    assert len(queries) == 6


def test_batches_are_small_and_go_on_until_all_is_removed(conversation):
    for _ in range(RUN_BATCH_SIZE + 1):
        finished_run(conversation, days=8, events=1)

    assert list(clean_up()) == [RUN_BATCH_SIZE, 1]


def test_idempotency_records_are_removed_after_their_lifetime(conversation):
    organization = conversation.organization
    for key, hours in (("old", 25), ("fresh", 23)):
        record = IdempotencyRecord.objects.create(organization=organization, key=key, digest="x")
        IdempotencyRecord.objects.filter(pk=record.pk).update(created_at=ago(hours=hours))

    assert removed() == 1
    assert IdempotencyRecord.objects.get().key == "fresh"


def test_unused_conversations_are_deleted_after_retention(alice, mallory):
    agent = make_agent(alice)
    past = {"created_at": ago(days=100)}

    def conversation(agent=agent, **fields) -> str:
        row = make_conversation(agent)
        Conversation.objects.filter(pk=row.pk).update(**{**past, **fields})
        return row.pk

    unused = conversation(last_message_at=ago(days=31))
    empty = conversation()
    conversation(last_message_at=ago(days=29))
    conversation(created_at=ago(days=1))
    busy = conversation()
    make_run(Conversation.objects.get(pk=busy), status="queued", queue_position=1)
    conversation(make_agent(mallory))
    Conversation.objects.filter(is_default=True).update(**past)
    assert removed() == 0

    update_organization(alice.organization, by=actor(alice), conversation_retention_days=30)

    assert removed() == 2
    deleted = Conversation.objects.exclude(deleted_at=None)
    assert set(deleted.values_list("pk", flat=True)) == {unused, empty}
    event = AuditEvent.objects.get(action="data.deleted")
    assert (event.organization, event.details["conversations"]) == (alice.organization, 2)
    restore_conversation(deleted.get(pk=unused), by=actor(alice))


def test_rules_hold_after_removal(conversation):
    make_messages(conversation, "hello")
    finished_run(conversation, days=8)

    assert removed() == 1
    assert list(find_breaches()) == []
