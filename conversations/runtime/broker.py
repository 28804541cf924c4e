"""Who watches the events of runs, and how they hear of them."""

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from functools import cache

from django.db import connection

from ..domain.runs.events import Event, stored_events
from .database import in_database
from .listener import listen

# How often a watcher looks for the events of a run that another process takes, unheard of.
POLL_INTERVAL = 0.25
# The watchers of a run that is taken here are told; now and then, that nothing happens.
IDLE_INTERVAL = 5.0


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
        return IDLE_INTERVAL
    if connection.vendor == "postgresql":
        _hear_of_others()
    return POLL_INTERVAL


_stop = threading.Event()


@cache
def _hear_of_others() -> threading.Thread:
    """Tell watchers when another process announces news of a run."""
    thread = threading.Thread(
        target=listen,
        kwargs={
            "hear": lambda run_id: tell_watchers(run_id, []),
            "until": _stop,
            "seconds": POLL_INTERVAL,
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
