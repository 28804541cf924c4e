"""The health checks of orchestrators, which the event loop answers when all threads are busy."""

import asyncio
import hmac
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar, cast

from django.conf import settings
from django.db import connections

from conversations.api.shapes.server import health_json, ready_json
from conversations.runtime.readiness import Readiness
from project.access_log import ROUTE
from project.intake import API_PATHS, Scope, Send, header, path_of, send_json

# Seconds. Docker and Kubernetes wait not much longer for an answer.
DATABASE_TIMEOUT = 2.0
HEALTH = [f"{prefix}health{slash}" for prefix in API_PATHS for slash in ("", "/")]
READY = [f"{prefix}ready{slash}" for prefix in API_PATHS for slash in ("", "/")]
METRICS = "/metrics"

T = TypeVar("T")


class Probes:
    """Answers for the process and, on a thread and a connection of its own, for its database."""

    def __init__(self) -> None:
        self._readiness = Readiness()
        self._checks, self._scrapes = DatabaseThread(), DatabaseThread()

    async def respond(self, scope: Scope, send: Send) -> bool:
        """Respond if the request is such a check."""
        path = path_of(scope)
        if scope["method"] not in ("GET", "HEAD"):
            return False
        if path in HEALTH:
            await send_json(send, 200, health_json())
        elif path in READY:
            status, content = ready_json(await self._ready())
            await send_json(send, status, content)
        elif path == METRICS and settings.METRICS_TOKEN:
            scope[ROUTE] = path.strip("/")
            await self._send_metrics(scope, send)
            return True
        else:
            return False
        scope[ROUTE] = path.strip("/")
        return True

    async def _ready(self) -> dict[str, str]:
        try:
            return await self._checks.call(self._readiness.check)
        except TimeoutError:
            return {"database": f"no answer within {DATABASE_TIMEOUT:g} s"}

    async def _send_metrics(self, scope: Scope, send: Send) -> None:
        expected = f"Bearer {settings.METRICS_TOKEN}".encode()
        if not hmac.compare_digest(header(scope, b"authorization") or b"", expected):
            challenge = (b"www-authenticate", b"Bearer")
            await send_json(send, 401, {"detail": "Unauthorized"}, challenge)
            return
        from conversations.runtime import metrics  # noqa: PLC0415 (needs an optional package)

        body = metrics.process_metrics()
        try:
            body += await self._scrapes.call(metrics.database_metrics)
        except TimeoutError:
            body += b"palimpsest_database_up 0.0\n"
        headers = [
            (b"content-type", metrics.CONTENT_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class DatabaseThread:
    """A thread with a database connection of its own, for one call at a time.

    Not a connection of the pool, which requests may have taken.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="probe")
        self._running: Future[Any] | None = None

    async def call(self, function: Callable[[], T]) -> T:
        """Return the function's result; raise TimeoutError if it takes longer than 2 seconds.

        While a call hangs, further ones wait for its result.
        """
        if self._running is None or self._running.done():
            self._running = self._thread.submit(self._run, function)
        async with asyncio.timeout(DATABASE_TIMEOUT):
            return cast(T, await asyncio.shield(asyncio.wrap_future(self._running)))

    def _run(self, function: Callable[[], T]) -> T:
        connection: Any = connections["default"].copy()
        connection.settings_dict.get("OPTIONS", {}).pop("pool", None)
        connections["default"] = connection
        try:
            return function()
        finally:
            connection.close()
