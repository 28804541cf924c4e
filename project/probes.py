"""The health checks of orchestrators, which the event loop answers when all threads are busy."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.db import connections

from conversations.api.shapes.server import health_json, ready_json
from conversations.runtime.readiness import Readiness
from project.intake import API_PATHS, Scope, Send, path_of, send_json

# Seconds. Docker and Kubernetes wait not much longer for an answer.
READY_TIMEOUT = 2.0
HEALTH = [f"{prefix}health{slash}" for prefix in API_PATHS for slash in ("", "/")]
READY = [f"{prefix}ready{slash}" for prefix in API_PATHS for slash in ("", "/")]


class Probes:
    """Answers for the process and, on a thread and a connection of its own, for its database."""

    def __init__(self) -> None:
        self._readiness = Readiness()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._check: Future[dict[str, str]] | None = None

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
        else:
            return False
        return True

    async def _ready(self) -> dict[str, str]:
        # One check at a time: another request waits for the one that hangs.
        if self._check is None or self._check.done():
            self._check = self._thread.submit(self._run)
        check = asyncio.wrap_future(self._check)
        try:
            async with asyncio.timeout(READY_TIMEOUT):
                return await asyncio.shield(check)
        except TimeoutError:
            return {"database": f"no answer within {READY_TIMEOUT:g} s"}

    def _run(self) -> dict[str, str]:
        connection: Any = connections["default"].copy()
        # Not one of the pool's, which requests may have taken.
        connection.settings_dict.get("OPTIONS", {}).pop("pool", None)
        connections["default"] = connection
        try:
            return self._readiness.check()
        finally:
            connection.close()
