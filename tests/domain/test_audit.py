"""The audit log is append-only."""

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from conversations.context import bound
from conversations.domain.archives.passages import delete_passage, restore_passage
from conversations.domain.audit import record
from conversations.domain.conversations.agents import delete_agent, restore_agent, update_agent
from conversations.domain.conversations.conversations import (
    delete_conversation,
    restore_conversation,
)
from conversations.domain.conversations.purge import purge
from conversations.domain.errors import DomainError
from conversations.domain.memory.blocks import delete_block
from conversations.domain.runs.leases import delete_run
from conversations.domain.tools.catalog import delete_tool
from conversations.domain.tools.mcp_servers import delete_mcp_server
from conversations.models import AuditAction, AuditEvent
from conversations.models.audit import AppendOnly

from ..factories import (
    actor,
    make_agent,
    make_block,
    make_conversation,
    make_mcp_server,
    make_organization,
    make_passage,
    make_run,
    make_tool,
)


@pytest.fixture
def event(alice) -> AuditEvent:
    return AuditEvent.objects.latest("created_at")


@pytest.mark.parametrize(
    "change",
    [
        lambda event: event.save(),
        lambda event: event.delete(),
        lambda event: AuditEvent.objects.update(actor="nobody"),
        lambda event: AuditEvent.objects.all().delete(),
    ],
    ids=["save", "delete", "update", "delete all"],
)
def test_events_are_not_changed_or_deleted(event, change):
    before = list(AuditEvent.objects.values())

    with pytest.raises(AppendOnly):
        change(event)

    assert list(AuditEvent.objects.values()) == before


@pytest.mark.parametrize(
    "statement",
    ["UPDATE conversations_auditevent SET actor = ''", "DELETE FROM conversations_auditevent"],
)
def test_postgresql_rejects_changes_of_events(event, statement, is_postgres):
    if not is_postgres:
        pytest.skip("The trigger exists on PostgreSQL only")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        connection.cursor().execute(statement)


def test_event_outlives_the_member_that_acted(alice):
    make_organization()
    name = alice.name
    alice.delete()

    assert AuditEvent.objects.get(object_id__startswith="user-", details__name=name)


def recorded(*actions: str) -> list[tuple[str, str, str]]:
    rows = AuditEvent.objects.filter(action__in=actions).order_by("created_at", "id")
    return [(row.action, row.actor, row.object_id) for row in rows]


def test_deletions_and_restorations_are_recorded(alice):
    by = actor(alice)
    agent, block = make_agent(alice), make_block(alice)
    conversation = make_conversation(agent)

    delete_conversation(conversation, by=by)
    restore_conversation(conversation, by=by)
    delete_agent(agent, by=by)
    restore_agent(agent, by=by)
    delete_block(block, by=by)

    assert recorded("data.deleted", "data.restored") == [
        ("data.deleted", "alice", conversation.pk),
        ("data.restored", "alice", conversation.pk),
        ("data.deleted", "alice", agent.pk),
        ("data.restored", "alice", agent.pk),
        ("data.deleted", "alice", block.pk),
    ]


def test_rows_of_every_kind_record_their_deletion(alice):
    by = actor(alice)
    agent = make_agent(alice)
    passage = make_passage(agent, "gone")
    tool, server = make_tool(alice, "gone"), make_mcp_server(alice)
    run = make_run(make_conversation(agent), status="completed", stop_reason="end_turn")
    ids = [passage.pk, tool.pk, server.pk, run.pk]

    delete_passage(passage, by=by)
    restore_passage(passage, by=by)
    delete_tool(tool, by=by)
    delete_mcp_server(server, by=by)
    delete_run(run, by=by)

    assert recorded("data.deleted") == [("data.deleted", "alice", row_id) for row_id in ids]
    assert recorded("data.restored") == [("data.restored", "alice", passage.pk)]


def test_purge_is_recorded_per_organization(alice, mallory):
    for member in (alice, alice, mallory):
        delete_block(make_block(member), by=actor(member))

    list(purge(timezone.now()))

    events = AuditEvent.objects.filter(action="data.purged")
    assert {(e.organization_id, e.details["table"], e.details["rows"]) for e in events} == {
        (alice.organization_id, "block", 2),
        (mallory.organization_id, "block", 1),
    }


def test_change_of_policy_is_recorded_once(alice):
    agent = make_agent(alice, labels=["human", "persona"])

    update_agent(agent, by=actor(alice), isolated_labels=["human"])
    update_agent(agent, by=actor(alice), isolated_labels=["human"], description="same policy")

    [event] = AuditEvent.objects.filter(action="policy.changed")
    assert event.details == {"isolated_labels": ["human"], "before": []}


def test_event_and_write_are_stored_together_or_not_at_all(alice):
    agent = make_agent(alice)
    before = AuditEvent.objects.count()

    with pytest.raises(DomainError):
        delete_conversation(agent.conversations.get(), by=actor(alice))
    with transaction.atomic():
        delete_agent(agent, by=actor(alice))
        transaction.set_rollback(True)

    assert AuditEvent.objects.count() == before


def test_event_has_request_address_and_key(alice):
    by = actor(alice)

    with bound(request_id="r-1", address="192.0.2.1"):
        event = record(AuditAction.EXPORTED, by=by, organization=alice.organization, about=alice)

    event.refresh_from_db()
    assert (event.request_id, event.address) == ("r-1", "192.0.2.1")
    assert (event.object_type, event.object_id, event.member_id) == ("member", alice.pk, alice.pk)
