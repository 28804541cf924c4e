"""Storing events in order from the event loop, in batches."""

import asyncio
from collections import defaultdict
from contextvars import Context

from django.db import IntegrityError

from ..domain.runs.events import NumberedEvent, RunLost, insert_events, stored_events
from ..tenancy import act_for_all
from .broker import EventBroker
from .database import CommitUnknown, in_database_when_available


class EventWriter:
    """Stores the events of all runs of a worker and publishes them afterwards.

    One batch is stored at a time; it holds all events that arrived while the last one was stored.
    A subscriber never sees an event that is not stored.
    """

    def __init__(self, broker: EventBroker):
        self._broker = broker
        self._queue: list[NumberedEvent] = []
        self._task: asyncio.Task[None] | None = None
        # The error that kept an event of a run from being stored. Nothing is stored after a gap.
        self._failed: dict[str, Exception] = {}

    def write(self, event: NumberedEvent) -> None:
        """Queue an event. Raises the error, if any, that an earlier one of its run met."""
        self._check(event.run_id)
        self._queue.append(event)
        if self._task is None or self._task.done():
            # The events are of many runs: what is logged belongs to none of them.
            self._task = asyncio.create_task(self._store(), context=Context())

    async def flush(self, run_id: str) -> None:
        """Wait until every queued event is stored. Raises like `write`, RunLost if that is why."""
        await self.drain()
        self._check(run_id)

    async def drain(self) -> None:
        """Wait until every queued event is stored or has failed."""
        if self._task is not None:
            await asyncio.shield(self._task)

    def discard_run(self, run_id: str) -> None:
        """Forget the error of a run that is over."""
        self._failed.pop(run_id, None)

    def _check(self, run_id: str) -> None:
        if error := self._failed.get(run_id):
            raise error

    async def _store(self) -> None:
        act_for_all()  # A batch holds the events of runs of several organizations.
        while self._queue:
            queue, self._queue = self._queue, []
            batch = [event for event in queue if event.run_id not in self._failed]
            try:
                await in_database_when_available(insert_events, batch)
            except Exception:
                batch = await self._store_by_run(batch)
            await self._broker.publish(batch)

    async def _store_by_run(self, batch: list[NumberedEvent]) -> list[NumberedEvent]:
        # So that the failure of one run does not affect the others.
        by_run: defaultdict[str, list[NumberedEvent]] = defaultdict(list)
        for event in batch:
            by_run[event.run_id].append(event)
        stored: list[NumberedEvent] = []
        for run_id, events in by_run.items():
            try:
                await self._store_of_run(run_id, events)
            except Exception as error:
                self._failed[run_id] = error
            else:
                stored += events
        return stored

    async def _store_of_run(self, run_id: str, events: list[NumberedEvent]) -> None:
        try:
            await in_database_when_available(insert_events, events)
        except (IntegrityError, CommitUnknown):
            # Either the run has another worker, or a try whose connection broke was committed.
            after = events[0].seq - 1
            page = await in_database_when_available(stored_events, run_id, after=after)
            if page.events[: len(events)] != events:
                raise RunLost(run_id) from None
