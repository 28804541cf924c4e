"""uvicorn's HTTP protocol with limits for connections that don't complete what they began.

uvicorn waits without end for the rest of a request's headers, and for a client that doesn't read
its response. `--http project.protocol:BoundedProtocol` selects this class.
"""

import asyncio
from ipaddress import ip_address, ip_network
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# The maximum size of a request's line and headers, in bytes.
MAX_HEADER_SIZE = 64 * 1024
HEADERS_TOO_LARGE = f"headers: expected at most {MAX_HEADER_SIZE} bytes"


class BoundedProtocol(HttpToolsProtocol):
    """A connection whose headers, and whose reader, have deadlines.

    When a process has MAX_CONNECTIONS, a new one replaces the oldest that has no request.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_in_headers = True
        self._header_size = 0
        self._header_deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self._idle_since = self.loop.time()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start_header_deadline()
        if self._neighbors() > settings.MAX_CONNECTIONS_PER_ADDRESS:
            self._refuse(503, "Too many connections from your address; try again")
        elif len(self.connections) > settings.MAX_CONNECTIONS:
            self._make_room()

    def _neighbors(self) -> int:
        """Return how many connections have this one's address, 0 if it is a trusted proxy's."""
        if not self.client or _is_proxy(self.client[0], self.config.forwarded_allow_ips):
            return 0
        clients = (getattr(other, "client", None) or ("",) for other in self.connections)
        return sum(client[0] == self.client[0] for client in clients)

    def _make_room(self) -> None:
        others = (other for other in self.connections if isinstance(other, BoundedProtocol))
        idle = [other for other in others if other is not self and other._is_idle]
        # First those that have never completed a request.
        key = lambda other: (other.cycle is not None, other._idle_since)  # noqa: E731
        oldest = min(idle, key=key, default=self)
        if oldest is self:
            self._refuse(503, "Too many connections; try again")
        else:
            oldest.transport.close()  # A response would be taken for that of a later request.

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_header_deadline()
        if self._write_deadline is not None:
            self._write_deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._header_deadline is None and self._is_idle:
            self._start_header_deadline()
        super().data_received(data)
        if self._is_in_headers:
            self._header_size += len(data)
            if self._header_size > MAX_HEADER_SIZE:
                self._refuse(431, HEADERS_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_headers, self._header_size = True, 0

    def on_headers_complete(self) -> None:
        self._is_in_headers = False
        self._stop_header_deadline()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._is_idle and self._header_deadline is not None:
            # The rest of a body that nobody wanted.
            self._stop_header_deadline()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def _start_header_deadline(self) -> None:
        self._header_deadline = self.loop.call_later(settings.HEADER_TIMEOUT, self._end_headers)

    def _stop_header_deadline(self) -> None:
        if self._header_deadline is not None:
            self._header_deadline.cancel()
            self._header_deadline = None

    def _end_headers(self) -> None:
        # A response to an earlier request of this connection comes first.
        if not self._is_idle:
            self._start_header_deadline()
        elif self._is_in_headers and self._header_size:
            self._refuse(408, f"headers: expected within {settings.HEADER_TIMEOUT:g} s")
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_deadline = self.loop.call_later(settings.WRITE_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_deadline is not None:
            self._write_deadline.cancel()

    def _refuse(self, status: int, detail: str) -> None:
        """Respond without a request and close the connection."""
        if self.transport.is_closing():
            return
        if self._is_idle:
            body = f'{{"detail":"{detail}"}}'.encode()
            lines = [
                f"HTTP/1.1 {status} {_REASONS[status]}",
                "content-type: application/json",
                f"content-length: {len(body)}",
                "connection: close",
            ]
            self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
            self.logger.info("%s: %s", self.client[0] if self.client else "-", detail)
        self.transport.close()


_REASONS = {
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


def _is_proxy(address: str, trusted: list[str] | str) -> bool:
    """Return whether uvicorn takes a client's address from this one (FORWARDED_ALLOW_IPS)."""
    entries = trusted.split(",") if isinstance(trusted, str) else trusted
    for entry in filter(None, map(str.strip, entries)):
        try:
            if entry == "*" or ip_address(address) in ip_network(entry, strict=False):
                return True
        except ValueError:
            continue  # The path of a socket, or a name.
    return False
