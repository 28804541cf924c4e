"""Execute the turns that web processes leave to workers."""

import signal
import threading
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connection

from conversations.conf import conf
from conversations.runtime.runtime import Runtime

from ._arguments import address, positive
from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Execute the turns that web processes leave to workers (RUN_TURNS_IN_WEB=false), until "
        "SIGTERM or Ctrl-C. Start as many workers, on as many machines, as the load needs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--max-turns",
            type=positive,
            metavar="N",
            help=f"execute at most N turns at a time (default: MAX_TURNS, {conf.MAX_TURNS})",
        )

        parser.add_argument(
            "--metrics",
            type=address,
            metavar="HOST:PORT",
            help="serve Prometheus metrics there, without a key; needs METRICS=true",
        )

    def handle(
        self, *, max_turns: int | None, metrics: tuple[str, int] | None, **options: Any
    ) -> None:
        if metrics and not conf.METRICS:
            raise CommandError("--metrics: CONVERSATIONS['METRICS'] is False; set METRICS=true.")
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        connection.ensure_connection()  # Fail now if the database is unreachable.
        # Its subscribers are in web processes.
        runtime = Runtime(notifies=True, max_turns=max_turns)
        worker = runtime.worker
        if metrics:
            self._serve_metrics(runtime, *metrics)
        self.result(f"Worker {worker.name} is waiting for turns")
        self.stdout.flush()
        worker.poll_for_runs(stop)
        self.remark(
            f"Shutting down: waiting up to {conf.SHUTDOWN_GRACE:.0f} s for "
            f"{worker.active_runs} active turns."
        )
        runtime.close(conf.SHUTDOWN_GRACE)

    def _serve_metrics(self, runtime: Runtime, host: str, port: int) -> None:
        from conversations.runtime.metrics import serve  # noqa: PLC0415 (an optional package)

        try:
            self.result(f"Metrics {serve(runtime, host, port)}")
        except OSError as error:
            raise CommandError(f"--metrics: cannot bind {host}:{port}: {error.strerror}") from None
