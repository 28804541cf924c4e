import signal
import threading

from django.db import connection

from conversations.runtime.worker import SHUTDOWN_GRACE, drain, this_worker

from ._arguments import positive
from ._command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Take the turns that web processes leave to workers (RUN_TURNS_IN_WEB=false), until told "
        "to stop. Start as many, on as many machines, as there is work for."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--at-once",
            type=positive,
            default=100,
            metavar="N",
            help="take at most so many turns at a time (default: 100)",
        )

    def handle(self, *, at_once, **options):
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        connection.ensure_connection()  # Fail now when the database cannot be reached.
        worker = this_worker()
        self.result(f"{worker.name} takes turns")
        self.stdout.flush()
        worker.look_for_runs(at_once, stop)
        self.remark(f"Stopping: {worker.busy} turns have {SHUTDOWN_GRACE:.0f} s to end.")
        drain(SHUTDOWN_GRACE)
