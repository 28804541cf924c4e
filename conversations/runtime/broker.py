"""Publishing the events of runs to the subscribers in this process."""

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import suppress
from enum import Enum

from django.db import DatabaseError, connection

from ..domain.runs.events import NumberedEvent, stored_events
from ..domain.runs.notify import notify
from ..models import Run
from ..tenancy import acting_for
from .database import in_database, in_database_when_available
from .listener import Listener

# How often to poll for the events of a run that another process executes, in seconds.
POLL_INTERVAL = 0.25
# The same for a run that is queued behind another one, whose process wakes its followers.
QUEUE_POLL_INTERVAL = 2.0
# How long to wait for an event of a run of this process before reporting that it is idle.
IDLE_INTERVAL = 5.0


class Pause(Enum):
    """What `EventBroker.follow` yields when there is no event for a while.

    `SHUTDOWN` is the last: this process stops, and another one goes on with the run.
    """

    IDLE = "idle"
    SHUTDOWN = "shutdown"


class Subscription:
    """The published events of one run that its subscriber has not read yet."""

    def __init__(self, broker: "EventBroker", run_id: str):
        self.run_id = run_id
        self._broker = broker
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wakeup = asyncio.Event()
        self._pending: deque[NumberedEvent] = deque()
        self._is_over = False

    def publish(self, events: Iterable[NumberedEvent], *, is_over: bool) -> None:
        """Add events and wake the subscriber. May be called from any thread."""
        self._pending.extend(events)
        self._is_over = self._is_over or is_over
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._wakeup.set)
            except RuntimeError:
                self.close()  # The subscriber's event loop is closed.

    async def pending(self, timeout: float) -> tuple[list[NumberedEvent], bool]:
        """Return the unread events and whether the run is over; wait for them if there are none."""
        self._loop = asyncio.get_running_loop()
        self._wakeup.clear()
        if not self._pending and not self._is_over:
            try:
                async with asyncio.timeout(timeout):
                    await self._wakeup.wait()
            except TimeoutError:
                return [], False
        # Read first: events are added before the run is declared over.
        is_over, self._is_over = self._is_over, False
        return [self._pending.popleft() for _ in range(len(self._pending))], is_over

    def close(self) -> None:
        """Unsubscribe. May be called more than once."""
        self._broker.unsubscribe(self)


class EventBroker:
    """Delivers the events of runs to subscribers, from this process or by way of the database.

    The worker publishes the events of its runs here, after they are stored. Other runs are polled
    for, and on PostgreSQL also woken for by NOTIFY.

    Args:
        notifies: Whether to NOTIFY other processes of what is published. True in `run_worker`,
            whose subscribers are all in web processes. A web process does not pay for that: the
            others poll for the events of its runs.
    """

    def __init__(self, *, notifies: bool = False):
        self.notifies = notifies
        self._lock = threading.Lock()
        self._subscriptions: defaultdict[str, set[Subscription]] = defaultdict(set)
        self._local_runs: set[str] = set()
        self._listener: threading.Thread | None = None
        self._stop_listening = threading.Event()
        self._is_ending = False

    def add_local_run(self, run_id: str) -> None:
        """Declare that this process executes a run and will publish its events."""
        self._local_runs.add(run_id)

    def remove_local_run(self, run_id: str) -> None:
        """Declare that this process no longer executes a run."""
        self._local_runs.discard(run_id)

    def subscribe(self, run_id: str) -> Subscription:
        """Subscribe to the events of a run that are published from now on."""
        subscription = Subscription(self, run_id)
        with self._lock:
            self._subscriptions[run_id].add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Remove a subscription, if it is still there."""
        with self._lock:
            subscriptions = self._subscriptions.get(subscription.run_id, set())
            subscriptions.discard(subscription)
            if not subscriptions:
                self._subscriptions.pop(subscription.run_id, None)

    def has_subscribers(self, run_id: str) -> bool:
        """Return whether anybody in this process is subscribed to a run."""
        return run_id in self._subscriptions

    async def publish(self, events: Iterable[NumberedEvent]) -> None:
        """Deliver stored events, which may be of several runs."""
        by_run: defaultdict[str, list[NumberedEvent]] = defaultdict(list)
        for event in events:
            by_run[event.run_id].append(event)
        for run_id, of_run in by_run.items():
            self._deliver(run_id, of_run)
        await self._notify(by_run)

    async def publish_end(self, run_id: str, events: Iterable[NumberedEvent]) -> None:
        """Deliver the last events of a run."""
        self._deliver(run_id, events, is_over=True)
        await self._notify([run_id])

    async def _notify(self, run_ids: Collection[str]) -> None:
        if self.notifies and run_ids:
            with suppress(DatabaseError):  # Subscribers in other processes poll as well.
                await in_database(notify, list(run_ids))

    def _deliver(
        self, run_id: str, events: Iterable[NumberedEvent], *, is_over: bool = False
    ) -> None:
        with self._lock:
            subscriptions = list(self._subscriptions.get(run_id, ()))
        for subscription in subscriptions:
            subscription.publish(events, is_over=is_over)

    async def follow(
        self, run: Run, *, after: int = 0, subscription: Subscription | None = None
    ) -> AsyncGenerator[NumberedEvent | Pause, None]:
        """Yield a run's events numbered beyond `after` until the run is over; pauses meanwhile.

        `subscription` is one from before the run's first event, which saves reading stored ones.
        """
        # The event loop that sends a stream acts for nobody.
        read_events = acting_for(run.organization_id)(stored_events)
        run_id = run.pk
        is_from_start = subscription is not None
        subscription = subscription or self.subscribe(run_id)
        last, is_over, is_queued = after, False, False
        try:
            if not is_from_start:
                # The subscription is older than this query, so that no event is missed.
                page = await in_database_when_available(read_events, run_id, after=last)
                for event in page.events:
                    yield event
                    last = event.seq
                is_over, is_queued = page.is_over, page.is_queued
            while not is_over:
                timeout = self._timeout(run_id, is_queued=is_queued)
                pending, is_over = await subscription.pending(timeout)
                events = [event for event in pending if event.seq > last]
                # A process that ended the run may not know of events that another one stored.
                has_gap = [event.seq for event in events] != [
                    *range(last + 1, last + 1 + len(events))
                ]
                if has_gap or (not events and (is_over or run_id not in self._local_runs)):
                    page = await in_database_when_available(read_events, run_id, after=last)
                    events, is_over, is_queued = page
                for event in events:
                    yield event
                    last = event.seq
                if self._is_ending and not is_over:
                    yield Pause.SHUTDOWN
                    return
                if not events:
                    yield Pause.IDLE
        finally:
            subscription.close()

    def _timeout(self, run_id: str, *, is_queued: bool) -> float:
        if run_id in self._local_runs:
            return IDLE_INTERVAL
        if connection.vendor == "postgresql":
            self._start_listener()
        return QUEUE_POLL_INTERVAL if is_queued else POLL_INTERVAL

    def _start_listener(self) -> None:
        with self._lock:
            if self._listener is None:
                listener = Listener(
                    lambda run_id: self._deliver(run_id, []),
                    interval=POLL_INTERVAL,
                    stop=self._stop_listening,
                )
                self._listener = threading.Thread(target=listener.run, name="listener", daemon=True)
                self._listener.start()

    def end_streams(self) -> None:
        """Let every `follow` in this process yield what is stored, SHUTDOWN, and end."""
        self._is_ending = True
        with self._lock:
            run_ids = list(self._subscriptions)
        for run_id in run_ids:
            self._deliver(run_id, [])

    def close(self) -> None:
        """Stop listening for notifications. The broker cannot be used afterwards."""
        self._stop_listening.set()
        if self._listener is not None:
            self._listener.join()
