"""The runtime of a process, and starting and cancelling turns with it."""

import asyncio
import os
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from asgiref.sync import async_to_sync
from django.apps import apps

from ..conf import conf
from ..context import bind
from ..domain.actor import Actor
from ..domain.idempotency import RequestKey
from ..domain.runs.finish import force_cancel, request_cancel
from ..domain.runs.request import TurnRequest
from ..domain.runs.start import start_run
from ..models import Conversation, OnBusy, Run
from .broker import EventBroker, Subscription
from .worker import CANCEL_TIMEOUT, Worker

if TYPE_CHECKING:
    from ..apps import ConversationsConfig


class StartedTurn(NamedTuple):
    """The run of a turn, whether this request started it, and the events it publishes here.

    The subscription is None if the run existed before or if another process executes it.
    """

    run: Run
    is_new: bool
    subscription: Subscription | None


class Runtime:
    """The worker and the event broker of one process. The worker starts when it is first used."""

    def __init__(self, *, notifies: bool = False, max_turns: int | None = None) -> None:
        self.pid = os.getpid()
        self.broker = EventBroker(notifies=notifies)
        self._max_turns = max_turns
        self._worker: Worker | None = None
        self._lock = threading.Lock()
        self._draining = threading.Lock()
        self._is_drained = False

    @property
    def worker(self) -> Worker:
        """The worker, started if necessary."""
        with self._lock:
            if self._worker is None:
                self._worker = Worker(self.broker, self._max_turns)
            return self._worker

    def start_worker(self) -> None:
        """Start the worker, which also embeds pending passages, if this process has one."""
        if conf.RUN_TURNS_IN_WEB:
            _ = self.worker

    @property
    def active_runs(self) -> int:
        """The number of runs that this process executes now."""
        return self._worker.active_runs if self._worker is not None else 0

    def start_turn(
        self,
        conversation: Conversation,
        *,
        by: Actor,
        request: TurnRequest,
        background: bool = False,
        on_busy: OnBusy | str | None = None,
        otid: str | None = None,
        key: RequestKey | None = None,
        request_config: dict[str, Any] | None = None,
        kind: str,
    ) -> StartedTurn:
        """Store a run, subscribe to its events and hand it to this process's worker.

        If web processes leave turns to workers (RUN_TURNS_IN_WEB=false), the run waits for a
        `run_worker` process; the worker of this one only looks for runs that wait too long.
        Arguments and exceptions are those of `start_run`.
        """
        worker = self.worker
        run, is_new, interrupts = start_run(
            conversation,
            by=by,
            request=request,
            worker=worker.name if conf.RUN_TURNS_IN_WEB else None,
            background=background,
            on_busy=on_busy,
            otid=otid,
            key=key,
            request_config=request_config,
            kind=kind,
        )
        bind(run=run.pk)
        if interrupts:
            worker.cancel(interrupts)
        if not is_new or run.worker != worker.name:
            return StartedTurn(run, is_new, None)
        subscription = self.broker.subscribe(run.pk)
        worker.execute(run)
        return StartedTurn(run, is_new, subscription)

    def cancel_run(self, run: Run) -> None:
        """Cancel a run and wait until its conversation is free.

        The run's worker stores what the model has said so far. If it does not do so within
        CANCEL_TIMEOUT, the run is cancelled without it.
        """
        if request_cancel(run):
            return
        if self._worker is not None:
            self._worker.cancel(run.pk)
        try:
            async_to_sync(self._wait_until_over)(run, CANCEL_TIMEOUT)
        except TimeoutError:
            force_cancel(run)

    async def _wait_until_over(self, run: Run, timeout: float) -> None:
        async with asyncio.timeout(timeout), aclosing(self.broker.follow(run)) as events:
            async for _ in events:
                pass

    def drain(self, grace: float) -> None:
        """End active turns and streams within `grace` seconds; leave the rest to other workers."""
        with self._draining:  # A second call waits for the first one.
            if self._worker is not None:
                self._worker.drain(0.0 if self._is_drained else grace)
            self._is_drained = True
            self.broker.end_streams()

    def close(self, grace: float) -> None:
        """End active turns and streams within `grace` seconds, then stop all threads."""
        self.drain(grace)
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()
        self.broker.close()


def get_runtime() -> Runtime:
    """Return the runtime of this process, which the app's configuration owns."""
    return cast("ConversationsConfig", apps.get_app_config("conversations")).runtime


def close_runtime(grace: float) -> None:
    """Close the runtime of this process, if it has one. Later uses create another."""
    cast("ConversationsConfig", apps.get_app_config("conversations")).close_runtime(grace)
