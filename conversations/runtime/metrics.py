"""Prometheus metrics of a process: requests, turns, tokens, leases, its pool and the queue.

It needs the package prometheus-client (`pip install "django-palimpsest[metrics]"`) and is imported
if `CONVERSATIONS["METRICS"]` is true. The metrics are in the package's default registry.
"""

import os
from collections.abc import Iterator
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import Count
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from ..domain.runs.recovery import waiting_runs
from ..models import Run
from ..signals import run_finished
from ..tenancy import acting_for_all
from .runtime import Runtime, get_runtime

CONTENT_TYPE = CONTENT_TYPE_LATEST

# Turns last from a moment to many steps of a slow model, in seconds.
TURN_BUCKETS = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

requests = Counter("palimpsest_requests", "Completed HTTP requests.", ["method", "route", "status"])
request_seconds = Histogram(
    "palimpsest_request_seconds", "Time until a response is complete.", ["method", "route"]
)
requests_in_progress = Gauge(
    "palimpsest_requests_in_progress", "HTTP requests now.", multiprocess_mode="livesum"
)
turns = Counter("palimpsest_turns", "Finished turns.", ["status", "error_type"])
turn_seconds = Histogram(
    "palimpsest_turn_seconds", "Time from acceptance to the end of a turn.", buckets=TURN_BUCKETS
)
run_retries = Counter(
    "palimpsest_run_retries", "Attempts of finished turns after their first worker was lost."
)
tokens = Counter("palimpsest_tokens", "Tokens of finished turns.", ["kind"])
leases = Gauge("palimpsest_leases", "Runs that this process executes.", multiprocess_mode="livesum")


def enable() -> None:
    """Count finished turns of this process from now on."""
    run_finished.connect(count_turn, sender=Run, dispatch_uid="conversations.metrics")


def count_turn(run: Run, **kwargs: Any) -> None:
    """Receive the signal `run_finished`."""
    turns.labels(run.status, run.error_type or "").inc()
    run_retries.inc(max(0, run.attempts - 1))
    if run.completed_at:
        turn_seconds.observe(max(0.0, (run.completed_at - run.created_at).total_seconds()))
    for kind in ("prompt", "completion", "cached_input", "reasoning"):
        tokens.labels(kind).inc(run.usage.get(f"{kind}_tokens") or 0)


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count a completed request. `route` is the pattern of its URL, not the URL."""
    method = method if method in METHODS else "other"
    requests.labels(method, route, str(status)).inc()
    request_seconds.labels(method, route).observe(seconds)


class DatabaseCollector(Collector):
    """What the database says of the runs of all processes, and the pool of this one.

    It reads the database at each scrape, in two queries, so register it in one process only.
    """

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics; only that the database is away if it is."""
        is_up = GaugeMetricFamily("palimpsest_database_up", "Whether the database answers.")
        try:
            families = self._read()
        except DatabaseError:
            is_up.add_metric([], 0)
            yield is_up
            return
        is_up.add_metric([], 1)
        yield is_up
        yield from families
        yield from self._pool()

    @acting_for_all()
    def _read(self) -> list[GaugeMetricFamily]:
        counts = Run.objects.unfinished().values_list("status").annotate(count=Count("pk"))
        found = dict(counts.order_by())
        runs = GaugeMetricFamily(
            "palimpsest_runs",
            "Unfinished runs: queued behind a turn, created for a worker, running.",
            labels=["status"],
        )
        for status in Run.UNFINISHED:
            runs.add_metric([str(status)], found.get(status, 0))
        seconds = GaugeMetricFamily(
            "palimpsest_runs_waiting_seconds", "How long the first run waits for a worker."
        )
        seconds.add_metric([], waiting_runs().seconds)
        return [runs, seconds]

    def _pool(self) -> Iterator[GaugeMetricFamily]:
        pool = getattr(connection, "pool", None)
        if pool is None:
            return
        family = GaugeMetricFamily(
            "palimpsest_database_pool", "Connections of this process's pool.", labels=["state"]
        )
        stats = pool.get_stats()
        for state in ("pool_size", "pool_max", "pool_available", "requests_waiting"):
            family.add_metric([state.removeprefix("pool_")], stats.get(state, 0))
        yield family


def serve(runtime: Runtime, host: str, port: int) -> str:
    """Serve the metrics of a worker's process at an address; return the URL."""
    leases.set_function(lambda: runtime.active_runs)
    server, _ = start_http_server(port, addr=host)
    return f"http://{host}:{server.server_port}/metrics"


def process_metrics() -> bytes:
    """Return the text of this process's metrics, or of all that share PROMETHEUS_MULTIPROC_DIR."""
    leases.set(get_runtime().active_runs)
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def database_metrics() -> bytes:
    """Return the text of `DatabaseCollector`."""
    registry = CollectorRegistry()
    registry.register(DatabaseCollector())
    return generate_latest(registry)
