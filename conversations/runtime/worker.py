"""The worker of a process: executes runs on an event loop on a thread of its own."""

import asyncio
import logging
import os
import secrets
import socket
import threading
from collections import Counter
from contextlib import suppress
from contextvars import Context

from django.db import close_old_connections

from ..conf import conf
from ..domain.retention import clean_up
from ..domain.runs.leases import claim_run, heartbeat, runs_to_cancel
from ..domain.runs.notify import run_can_begin
from ..domain.runs.recovery import begin_queued_runs, recover_stalled_runs, waiting_runs
from ..llm.client import close_clients, prepare
from ..models import Run
from ..tenancy import act_for_all, acting_for_all
from .broker import EventBroker
from .database import in_database
from .embeddings import embed_pending
from .event_writer import EventWriter
from .fair_slots import FairSlots
from .file_reader import read_pending
from .listener import Listener
from .tool_runners.runners import ToolRunners
from .turn_loop import TurnLoop

logger = logging.getLogger(__name__)

# How often a worker polls for cancel requests from other processes, and for runs to claim.
POLL_INTERVAL = 0.5
# How often a worker looks for files to read, and for passages without a vector.
READING_INTERVAL = 1.0
EMBEDDING_INTERVAL = 2.0
# How often a worker removes old rows, and its pause between two batches, in seconds.
RETENTION_INTERVAL = 300.0
BATCH_PAUSE = 0.1
# The last part of SHUTDOWN_GRACE: turns that are still active are released, and the streams end.
RELEASE_TIMEOUT = 5.0
# How long a cancelled turn may take to store what it has.
CANCEL_TIMEOUT = 10.0
# Heartbeats per STALLED_RUN_TIMEOUT, so that one lost heartbeat does not matter.
HEARTBEATS_PER_TIMEOUT = 6


class Worker:
    """Executes runs and publishes their events. Its methods may be called from any thread.

    It executes at most `max_turns` at a time (default: MAX_TURNS); organizations share these slots
    fairly. `name` identifies the worker in the leases of its runs.
    """

    def __init__(self, broker: EventBroker, max_turns: int | None = None) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._broker = broker
        self._writer = EventWriter(broker)
        self._runners = ToolRunners()
        self._slots = FairSlots(max_turns or conf.MAX_TURNS)
        # The organization of each run, including runs whose tasks have not started.
        self._accepted: dict[str, str] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turns: dict[str, TurnLoop] = {}
        self._resumes_only = True
        # Set when runs can be claimed.
        self._claims = asyncio.Event()
        self._is_closing = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="worker", daemon=True)
        self._thread.start()
        # In a context of its own: not in that of the request that needs the first worker.
        self._loop.call_soon_threadsafe(self._start_maintenance, context=Context())
        run_can_begin.connect(self._on_run_can_begin)

    def _run_loop(self) -> None:
        prepare()
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _start_maintenance(self) -> None:
        self._maintenance = [
            self._loop.create_task(self._maintenance_loop()),
            self._loop.create_task(self._reading_loop()),
            self._loop.create_task(self._embedding_loop()),
            self._loop.create_task(self._retention_loop()),
        ]

    def _on_run_can_begin(self, **_: object) -> None:
        self._loop.call_soon_threadsafe(self._claims.set)

    @property
    def active_runs(self) -> int:
        """The number of runs that the worker executes now."""
        return len(self._accepted)

    def execute(self, run: Run) -> None:
        """Execute a run that was started or claimed in this worker's name."""
        self._broker.add_local_run(run.pk)
        self._accepted[run.pk] = run.organization_id
        self._loop.call_soon_threadsafe(self._start, run)

    def _start(self, run: Run) -> None:
        turn = TurnLoop(
            run,
            worker=self.name,
            broker=self._broker,
            writer=self._writer,
            slots=self._slots,
            runners=self._runners,
        )
        task = self._loop.create_task(turn.run_turn())
        self._tasks[run.pk], self._turns[run.pk] = task, turn
        task.add_done_callback(lambda _: self._discard_run(run.pk))

    def _discard_run(self, run_id: str) -> None:
        self._tasks.pop(run_id, None)
        self._turns.pop(run_id, None)
        self._accepted.pop(run_id, None)
        self._broker.remove_local_run(run_id)
        self._writer.discard_run(run_id)

    def cancel(self, run_id: str) -> None:
        """Cancel a run between two events, if this worker executes it."""
        self._loop.call_soon_threadsafe(self._cancel, run_id)

    def _cancel(self, run_id: str) -> None:
        # Not now: a task that is cancelled before its first line never runs its cleanup.
        self._loop.call_soon(self._cancel_started, run_id)

    def _cancel_started(self, run_id: str) -> None:
        # Once: a second cancellation would interrupt the cleanup of the first.
        if (task := self._tasks.get(run_id)) and not task.cancelling():
            task.cancel()

    def drain(self, grace: float) -> None:
        """Let active turns end for `grace` seconds less RELEASE_TIMEOUT, release the others.

        Another worker, or this one when it is started again, resumes the released turns.
        """
        self._is_closing = True
        timeout = max(0.0, grace - RELEASE_TIMEOUT)
        asyncio.run_coroutine_threadsafe(self._drain(timeout), self._loop).result()

    def close(self) -> None:
        """Stop the thread. Drain the worker before."""
        run_can_begin.disconnect(self._on_run_can_begin)
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _drain(self, timeout: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=timeout)
        remaining = list(self._tasks.values())
        for run_id in list(self._tasks):
            self._turns[run_id].releases = True
            self._cancel(run_id)
        if remaining:
            await asyncio.wait(remaining, timeout=RELEASE_TIMEOUT)

    async def _close(self) -> None:
        for task in self._maintenance:
            task.cancel()
        await asyncio.wait(self._maintenance)
        await close_clients()

    async def _reading_loop(self) -> None:
        """Read the texts of files that were uploaded."""
        act_for_all()
        while True:
            try:
                while await read_pending():
                    pass
            except Exception:
                # Probably the database is not available.
                logger.exception("Reading files failed; retrying")
            await asyncio.sleep(READING_INTERVAL)

    async def _embedding_loop(self) -> None:
        """Embed passages that were inserted by tools, imported, or postponed after a failure."""
        act_for_all()
        while True:
            try:
                while await embed_pending():
                    pass
            except Exception:
                # Probably the database is not available.
                logger.exception("Embedding passages failed; retrying")
            await asyncio.sleep(EMBEDDING_INTERVAL)

    async def _retention_loop(self) -> None:
        """Remove what is older than its retention, one batch at a time."""
        act_for_all()
        while True:
            try:
                batches = clean_up()
                while await in_database(next, batches, None) is not None:
                    await asyncio.sleep(BATCH_PAUSE)
            except Exception:
                # Probably the database is not available.
                logger.exception("Removing old rows failed; retrying")
            await asyncio.sleep(RETENTION_INTERVAL)

    async def _maintenance_loop(self) -> None:
        """Send heartbeats, look for cancel requests and recover the runs of lost workers."""
        act_for_all()
        interval = conf.STALLED_RUN_TIMEOUT / HEARTBEATS_PER_TIMEOUT
        next_heartbeat = next_sweep = 0.0
        while True:
            try:
                if self._tasks:
                    await self._cancel_requested()
                if self._loop.time() >= next_heartbeat:
                    next_heartbeat = self._loop.time() + interval
                    await in_database(heartbeat, self.name, list(self._tasks))
                if self._loop.time() >= next_sweep:
                    next_sweep = self._loop.time() + interval
                    for run in await in_database(recover_stalled_runs):
                        logger.warning("%s: recovered from attempt %d", run.pk, run.attempts)
                    await in_database(begin_queued_runs)
                    if (waiting := await in_database(waiting_runs)).is_late:
                        logger.warning(
                            "%d runs waiting, no worker; the first for %.0f s",
                            waiting.count,
                            waiting.seconds,
                        )
                    self._claims.set()
                if self._claims.is_set():
                    self._claims.clear()
                    await self._claim_requeued()
            except Exception:
                # Probably the database is not available. The loop must survive any error.
                logger.exception("Maintenance failed; retrying")
                # Other workers missed their heartbeats, too, and may send them first.
                next_heartbeat, next_sweep = 0.0, self._loop.time() + 2 * interval
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_INTERVAL):
                    await self._claims.wait()

    async def _cancel_requested(self) -> None:
        with acting_for_all():
            run_ids = await in_database(runs_to_cancel, self.name)
        for run_id in run_ids:
            self._cancel(run_id)

    async def _claim_requeued(self) -> None:
        # The worker of a web process executes the process's turns, those of lost ones, and queued
        # ones.
        while (
            self._resumes_only
            and conf.RUN_TURNS_IN_WEB
            and not self._is_closing
            and (run := await in_database(self._claim))
        ):
            self.execute(run)

    @acting_for_all()
    def _claim(self) -> Run | None:
        """Claim a run for which there is a slot."""
        accepted = dict(self._accepted)
        if len(accepted) >= self._slots.total:
            return None
        counts = Counter(accepted.values())
        full = [pk for pk, count in counts.items() if count >= self._slots.share]
        return claim_run(
            self.name, besides=list(accepted), full=full, resumes_only=self._resumes_only
        )

    def poll_for_runs(self, stop: threading.Event) -> None:
        """Claim and execute runs until `stop` is set.

        PostgreSQL's NOTIFY announces new runs; they are polled for as well.
        """
        self._resumes_only = False

        def on_notify(run_id: str) -> None:
            if run_id in self._tasks:
                asyncio.run_coroutine_threadsafe(self._cancel_requested(), self._loop)
            try:
                while not stop.is_set() and (run := self._claim()):
                    self.execute(run)
            finally:
                close_old_connections()  # A broken one would fail every later claim.

        Listener(on_notify, interval=POLL_INTERVAL, stop=stop).run()
