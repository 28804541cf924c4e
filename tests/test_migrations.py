import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from conversations.domain.integrity.check import find_breaches
from conversations.models import ReadingPeriod

from .factories import make_agent, make_conversation

BEFORE, AFTER = "0002_history", "0003_fill_reading_periods"


def migrate(name: str) -> None:
    executor = MigrationExecutor(connection)
    executor.migrate([("conversations", name)])


@pytest.mark.django_db(transaction=True)
def test_reading_periods_are_filled_in_for_what_was_attached_and_isolated_before(alice):
    agent = make_agent(alice, labels=["human", "persona"])
    conversation = make_conversation(agent, isolated=["human"])
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes("conversations")[0][1]
    try:
        migrate(BEFORE)
        assert ReadingPeriod.objects.count() == 0
    finally:
        migrate(latest)

    assert list(find_breaches()) == []
    assert ReadingPeriod.objects.filter(agent=agent).count() == 2
    own = ReadingPeriod.objects.get(conversation=conversation)
    assert own.since >= conversation.created_at
