"""The part of a process that takes turns: one event loop on a thread of its own.

Web processes start it with their first turn, `manage.py run_worker` starts one that looks for runs.
"""

import asyncio
import logging
import os
import secrets
import socket
import threading
import time

from django.db import close_old_connections

from ..conf import conf
from ..domain.runs import events
from ..domain.runs.finish import force_cancel, free_silent_runs, request_cancel
from ..domain.runs.leases import beat, claim_run, unwanted_runs
from ..llm.client import close_clients, prepare
from ..models import Run
from . import broker
from .database import in_database
from .event_writer import EventWriter
from .listener import listen
from .turn_loop import take_turn

logger = logging.getLogger(__name__)

# How often a process looks whether somebody in another one wants a run of its cancelled.
POLL_INTERVAL = 0.5
# How long turns may go on when their process is told to stop.
SHUTDOWN_GRACE = 25.0
# How long a caller waits until a run that is being cancelled has ended in order.
CANCEL_TIMEOUT = 10.0


class Worker:
    """Takes turns. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.name = f"{socket.gethostname()}:{self.pid}:{secrets.token_hex(4)}"
        self._taken: set[str] = set()  # Also those whose tasks have not begun.
        self._turns: dict[str, asyncio.Task] = {}
        self._loop = asyncio.new_event_loop()
        self._writer = EventWriter()
        self._thread = threading.Thread(target=self._run_loop, name="turns", daemon=True)
        self._thread.start()
        self._loop.call_soon_threadsafe(self._begin_to_keep_house)

    def _run_loop(self) -> None:
        prepare()
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _begin_to_keep_house(self) -> None:
        self._house = self._loop.create_task(self._keep_house())

    @property
    def busy(self) -> int:
        """How many turns it takes now."""
        return len(self._taken)

    def take(self, run: Run) -> None:
        """Take the turn of a run that was started or claimed in this worker's name."""
        broker.taken_here.add(run.pk)
        self._taken.add(run.pk)
        self._loop.call_soon_threadsafe(self._begin, run)

    def _begin(self, run: Run) -> None:
        task = self._loop.create_task(take_turn(run, worker=self.name, writer=self._writer))
        self._turns[run.pk] = task
        task.add_done_callback(lambda _: self._forget(run.pk))

    def _forget(self, run_id: str) -> None:
        self._turns.pop(run_id, None)
        self._taken.discard(run_id)
        broker.taken_here.discard(run_id)
        self._writer.forget(run_id)

    def cancel(self, run_id: str) -> None:
        """End a turn between two events, if this worker takes it."""
        self._loop.call_soon_threadsafe(self._cancel, run_id)

    def _cancel(self, run_id: str) -> None:
        # Not now: a task that is cancelled before its first line never runs the one that ends it.
        self._loop.call_soon(self._cancel_begun, run_id)

    def _cancel_begun(self, run_id: str) -> None:
        # Once: a second time would cancel the ending in order.
        if (task := self._turns.get(run_id)) and not task.cancelling():
            task.cancel()

    def drain(self, seconds: float) -> None:
        """Let the turns end, for so long; then cancel those that have not, and end itself."""
        asyncio.run_coroutine_threadsafe(self._drain(seconds), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _drain(self, seconds: float) -> None:
        if self._turns:
            await asyncio.wait(self._turns.values(), timeout=seconds)
        left = list(self._turns.values())
        for run_id in list(self._turns):
            self._cancel(run_id)
        if left:
            await asyncio.wait(left, timeout=CANCEL_TIMEOUT)
        self._house.cancel()
        await asyncio.wait([self._house])
        await close_clients()

    async def _keep_house(self) -> None:
        """Say that this process lives, see what should be cancelled, free what the dead left."""
        beat_seconds = conf.STALLED_RUN_TIMEOUT / 6
        next_beat = 0.0
        while True:
            try:
                if self._turns:
                    for run_id in await in_database(unwanted_runs, self.name):
                        self._cancel(run_id)
                if self._loop.time() >= next_beat:
                    next_beat = self._loop.time() + beat_seconds
                    await in_database(beat, self.name, list(self._turns))
                    for run_id in await in_database(free_silent_runs):
                        logger.warning("%s was failed: its process is dead", run_id)
            except Exception:
                # Most likely the database does not answer. Whatever it is, it must not end this.
                logger.exception("Keeping house failed; trying again")
            await asyncio.sleep(POLL_INTERVAL)

    def look_for_runs(self, at_once: int, stop: threading.Event) -> None:
        """Claim runs and take their turns, so many at once, until told to stop.

        PostgreSQL says when there is a new one; SQLite is looked at again and again.
        """
        events.announces = True

        def hear(run_id: str) -> None:
            if run_id in self._turns:
                asyncio.run_coroutine_threadsafe(self._cancel_unwanted(), self._loop)
            while not stop.is_set() and self.busy < at_once and (run := claim_run(self.name)):
                self.take(run)
            close_old_connections()

        listen(hear, until=stop, seconds=POLL_INTERVAL)

    async def _cancel_unwanted(self) -> None:
        for run_id in await in_database(unwanted_runs, self.name):
            self._cancel(run_id)


_worker: Worker | None = None
_lock = threading.Lock()


def this_worker() -> Worker:
    """This process's worker, started when it is first asked for."""
    global _worker
    with _lock:
        # A fork has the variable of its parent, but not the thread.
        if _worker is None or _worker.pid != os.getpid():
            _worker = Worker()
        return _worker


def drain(seconds: float) -> None:
    """End this process's worker, when its turns have ended or have had so long."""
    global _worker
    with _lock:
        worker, _worker = _worker, None
    if worker is not None:
        worker.drain(seconds)


def cancel_run(run: Run) -> None:
    """End a run, in order if its process does so in time. Afterwards the conversation is free."""
    if request_cancel(run):
        return
    if _worker is not None:
        _worker.cancel(run.pk)
    deadline = time.monotonic() + CANCEL_TIMEOUT
    while time.monotonic() < deadline:
        if not Run.objects.active().filter(pk=run.pk).exists():
            return
        time.sleep(0.01)
    force_cancel(run)
