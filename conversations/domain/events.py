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

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from functools import cache
from typing import NamedTuple

from django.db import IntegrityError, connection, transaction

from ..models import Run, RunEvent
from .announcements import announce, listen
from .threads import in_database

# How often a watcher looks for the events of a run that another process takes, unheard of.
POLL_SECONDS = 0.25
# The watchers of a run that is taken here are told; now and then, that nothing happens.
IDLE_SECONDS = 5.0


class Event(NamedTuple):
    """`seq` counts from 1 within the run."""

    seq: int
    data: dict


class RunLost(Exception):
    """The run is no longer this process's: cancelled, failed by another, or deleted."""


class Watch:
    """What one watcher has been told of a run and has not read yet."""

    def __init__(self, run_id: str):
        self.run_id = run_id
        self.loop: asyncio.AbstractEventLoop | None = None
        self._told: deque[tuple[list[Event], bool]] = deque()
        self._something = asyncio.Event()

    def tell(self, events: list[Event], is_over: bool) -> None:
        """Called in any thread, also before anybody waits."""
        self._told.append((events, is_over))
        if self.loop is not None:
            try:
                self.loop.call_soon_threadsafe(self._something.set)
            except RuntimeError:
                self.close()  # The watcher's loop is gone.

    async def heard(self, seconds: float) -> list[tuple[list[Event], bool]]:
        """What was told since the last time; waits at most so long for it."""
        self.loop = asyncio.get_running_loop()
        if not self._told:
            self._something.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._something.wait()
            except TimeoutError:
                return []
        told = []
        while self._told:
            told.append(self._told.popleft())
        return told

    def close(self) -> None:
        with _lock:
            _watches[self.run_id].discard(self)
            if not _watches[self.run_id]:
                del _watches[self.run_id]


_lock = threading.RLock()
_watches: defaultdict[str, set[Watch]] = defaultdict(set)
# The runs whose turns this process takes: their watchers are told, and need not look.
taken_here: set[str] = set()
# Whether the watchers are in other processes, as those of `manage.py work` are.
announces = False


def watch(run_id: str) -> Watch:
    """Begin to hear of a run's events, from now on. Close it in the end."""
    made = Watch(run_id)
    with _lock:
        _watches[run_id].add(made)
    return made


def tell_watchers(run_id: str, events: list[Event], *, is_over: bool = False) -> None:
    """Tell this process's watchers of events that are stored."""
    with _lock:
        watches = list(_watches[run_id]) if run_id in _watches else []
    for one in watches:
        one.tell(events, is_over)


async def follow(
    run_id: str, *, after: int = 0, beginning: Watch | None = None
) -> AsyncIterator[Event | None]:
    """A run's events with `seq` > `after`, stored ones first, until the run is over.

    Answers None now and then when nothing happens, so that the caller can keep a connection alive.
    `beginning` is a watch from before the run's first event, which saves looking for stored ones.
    """
    heard = beginning or watch(run_id)
    last, is_over = after, False
    try:
        if beginning is None:
            # A watch that begins before the look misses nothing in between.
            stored, is_over = await in_database(stored_events, run_id, after=last)
            for event in stored:
                yield event
                last = event.seq
        while not is_over:
            told = await heard.heard(_patience(run_id))
            events = [event for batch, _ in told for event in batch if event.seq > last]
            is_over = any(over for _, over in told)
            # Whoever ends a run in the middle of something may have more to tell than it knows.
            is_gap = [event.seq for event in events] != [*range(last + 1, last + 1 + len(events))]
            if is_gap or (not events and (is_over or run_id not in taken_here)):
                events, is_over = await in_database(stored_events, run_id, after=last)
            for event in events:
                yield event
                last = event.seq
            if not events:
                yield None
    finally:
        heard.close()


def _patience(run_id: str) -> float:
    """How long to wait for news before looking at the rows."""
    if run_id in taken_here:
        return IDLE_SECONDS
    if connection.vendor == "postgresql":
        _hear_of_others()
    return POLL_SECONDS


_stop = threading.Event()


@cache
def _hear_of_others() -> threading.Thread:
    """Tell watchers when another process announces news of a run."""
    thread = threading.Thread(
        target=listen,
        kwargs={
            "hear": lambda run_id: tell_watchers(run_id, []),
            "until": _stop,
            "seconds": POLL_SECONDS,
        },
        name="announcements",
        daemon=True,
    )
    thread.start()
    return thread


def stop_listening() -> None:
    """End what `follow` started, before the process or its database ends."""
    if _hear_of_others.cache_info().currsize:
        _stop.set()
        _hear_of_others().join()
        _hear_of_others.cache_clear()
        _stop.clear()


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


class EventWriter:
    """Stores events in the order in which they come, as many at once as came meanwhile.

    One per loop. Watchers hear of events when they are stored, so that what they have seen is
    there when they come back.
    """

    def __init__(self):
        self._waiting: list[tuple[str, Event]] = []
        self._task: asyncio.Task | None = None
        # What prevented a run's events from being stored: nothing is stored after a gap.
        self._failed: dict[str, Exception] = {}

    def write(self, run_id: str, event: Event) -> None:
        """Raises what prevented an earlier event of this run from being stored."""
        self._check(run_id)
        self._waiting.append((run_id, event))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._store())

    async def flush(self, run_id: str) -> None:
        """Wait until everything written so far is stored; raises what prevented it for this run,
        RunLost if another process has ended it."""
        await self.settle()
        self._check(run_id)

    async def settle(self) -> None:
        """Wait until nothing written so far will be stored any more."""
        if self._task is not None:
            await asyncio.shield(self._task)

    def forget(self, run_id: str) -> None:
        """Nothing more is written for this run."""
        self._failed.pop(run_id, None)

    def _check(self, run_id: str) -> None:
        if error := self._failed.get(run_id):
            raise error

    async def _store(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            batch = [item for item in batch if item[0] not in self._failed]
            by_run: dict[str, list[Event]] = defaultdict(list)
            for run_id, event in batch:
                by_run[run_id].append(event)
            try:
                await in_database(insert_events, batch)
            except Exception:
                by_run = await self._store_apart(by_run)
            for run_id, events in by_run.items():
                tell_watchers(run_id, events)

    async def _store_apart(self, by_run: dict[str, list[Event]]) -> dict[str, list[Event]]:
        """Store run by run, so that what ails one leaves the others alone; those stored."""
        stored = {}
        for run_id, events in by_run.items():
            try:
                await in_database(insert_events, [(run_id, event) for event in events])
            except IntegrityError:
                self._failed[run_id] = RunLost(run_id)
            except Exception as error:
                self._failed[run_id] = error
            else:
                stored[run_id] = events
        return stored
