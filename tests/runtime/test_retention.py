"""Old rows are removed by the processes themselves, without waiting for turns."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from conversations.domain.conversations.accounts import issue_key
from conversations.domain.retention import remove_events
from conversations.domain.runs.events import StopEvent, append_events
from conversations.models import Run, RunEvent

from ..factories import make_agent, make_conversation, make_run
from .processes import post, until, web_server


@pytest.fixture
def old_runs(alice) -> list[Run]:
    """Return two finished runs of last month, each with an event."""
    fields = {"stop_reason": "end_turn", "completed_at": timezone.now() - timedelta(days=30)}
    conversation = make_conversation(make_agent(alice))
    runs = [make_run(conversation, status=each, **fields) for each in ("completed", "failed")]
    for run in runs:
        append_events(run.pk, [StopEvent("end_turn")])
    return runs


def test_process_removes_old_events_by_itself(alice, model, old_runs):
    secret = issue_key(alice)[1]
    with web_server(model) as (_, url):
        until(lambda: not RunEvent.objects.exists(), seconds=30, what="no events")
        until(lambda: not Run.objects.filter(events_removed=False), seconds=30, what="marks")
        answers = [post(url, secret, f"runs/{run.pk}/stream") for run in old_runs]

    assert [answer.status_code for answer in answers] == [410, 410]
    detail = f"The events of run '{old_runs[0].pk}' are no longer stored; its messages are"
    assert answers[0].json() == {"detail": detail}


@pytest.mark.postgres_only
def test_locked_run_is_skipped(old_runs, in_thread):
    with transaction.atomic():
        Run.objects.select_for_update().get(pk=old_runs[0].pk)

        assert in_thread(remove_events)() == 1

        assert not connection.needs_rollback
    assert list(Run.objects.filter(events_removed=False)) == [old_runs[0]]
