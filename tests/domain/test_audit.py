"""The audit log is append-only."""

import pytest
from django.db import DatabaseError, connection, transaction

from conversations.models import AuditEvent
from conversations.models.audit import AppendOnly

from ..factories import make_organization


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
