"""The stream of a run: events are stored as they happen, and whoever watches reads those.

An event is a JSON object. `type` says what it is and which fields it has:

    text, reasoning         message, step, index, text        a piece of it, or all
    tool_call               message, step, index, calls       [{"id", "name", "arguments"}], each a
    approval_request        message, step, index, calls       piece (`is_piece`) or whole
    tool_return             message, step, name, call_id, status, text
    summary                 message, text                     what compaction put in the place of
    stop                    reason                            the end: how the turn ended,
    usage                   the fields of `Run.usage`         and either what it cost
    error                   error_type, text, detail          or what went wrong

`message` and `step` are ids, `index` counts the parts of a message, and `at` is the time.
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.db import transaction

from ...models import Run, RunEvent
from .notify import announce

# Whether the watchers are in other processes, as those of `manage.py run_worker` are.
announces = False


class Event(NamedTuple):
    """`seq` counts from 1 within the run."""

    seq: int
    data: dict


class RunLost(Exception):
    """The run is no longer this process's: cancelled, failed by another, or deleted."""


def stored_events(run_id: str, *, after: int = 0) -> tuple[list[Event], bool]:
    """The stored events after `after`, and whether they are all there will be."""
    # In this order: what was stored before the run was over is there when it is.
    is_over = not Run.objects.active().filter(pk=run_id).exists()
    rows = RunEvent.objects.filter(run=run_id, seq__gt=after).order_by("seq")
    return [Event(*row) for row in rows.values_list("seq", "data")], is_over


def insert_events(events: Iterable[tuple[str, Event]]) -> None:
    """Store events of any runs in one statement, all of them or none.

    IntegrityError where a number is taken. Numbers have no gaps, so whoever writes for a run that
    another process has ended meets the number of its ending first.
    """
    rows = [RunEvent(run_id=run_id, seq=event.seq, data=event.data) for run_id, event in events]
    if not announces:
        RunEvent.objects.bulk_create(rows)
        return
    with transaction.atomic(savepoint=False):
        RunEvent.objects.bulk_create(rows)
        announce({row.run_id for row in rows})
