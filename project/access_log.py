"""One line of the log per request."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any
from urllib.parse import quote

from conversations.conf import conf
from conversations.context import current
from conversations.tracing import continue_trace, fail, span
from project.intake import Message, Scope, Send

logger = logging.getLogger("project.requests")

# The key of the ASGI scope for the pattern of a request's URL.
ROUTE = "project.route"
# The status of a request whose client left before the response, as nginx logs it.
CLIENT_LEFT = 499


class AccessLog:
    """Logs a request when its response is complete: method, path, status and milliseconds.

    The query is left out: it may hold texts.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self.status = CLIENT_LEFT
        self._started = time.perf_counter()

    async def send(self, message: Message) -> None:
        """Send a message of the response."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    @contextmanager
    def span(self) -> Iterator[None]:
        """Start the request's span, which continues the trace of its client."""
        names = {b"traceparent", b"tracestate"}
        found = [(name, value) for name, value in self._scope["headers"] if name in names]
        continue_trace({name.decode(): value.decode("latin1") for name, value in found})
        method = self._scope["method"]
        attributes = {"http.request.method": method, "url.path": self._scope["path"]}
        with span(method, attributes, kind="SERVER") as request_span:
            try:
                yield
            finally:
                if request_span is not None:
                    route = self._scope.get(ROUTE, "")
                    request_span.update_name(f"{method} {route}".strip())
                    request_span.set_attribute("http.route", route)
                    request_span.set_attribute("http.response.status_code", self.status)
                    request_span.set_attribute("palimpsest.request.id", current().request_id)
                    if self.status >= 500:
                        fail(request_span, str(self.status))

    def __enter__(self) -> "AccessLog":
        if conf.METRICS:
            from conversations.runtime import metrics  # noqa: PLC0415 (needs an optional package)

            metrics.requests_in_progress.inc()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        duration = round((time.perf_counter() - self._started) * 1000, 1)
        if conf.METRICS:
            self._count()
        path = quote(self._scope["path"], safe="/")
        method = self._scope["method"]
        fields: dict[str, Any] = {
            "method": method,
            "path": path,
            "status": self.status,
            "duration_ms": duration,
        }
        logger.info("%s %s %d %.1f ms", method, path, self.status, duration, extra=fields)

    def _count(self) -> None:
        from conversations.runtime import metrics  # noqa: PLC0415 (needs an optional package)

        metrics.requests_in_progress.dec()
        seconds = time.perf_counter() - self._started
        route = self._scope.get(ROUTE, "")
        metrics.count_request(self._scope["method"], route, self.status, seconds)
