"""Storing events in order, from the event loop."""

import asyncio
from collections import defaultdict

from django.db import IntegrityError

from ..domain.runs.events import Event, RunLost, insert_events
from .broker import tell_watchers
from .database import in_database


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
