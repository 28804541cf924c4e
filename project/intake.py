"""Receiving requests on the event loop, within limits, before they take a thread."""

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestAborted

from conversations.context import current
from conversations.transfer.agent_files.parse import MAX_BYTES
from project.protocol import HEADERS_TOO_LARGE, MAX_HEADER_SIZE

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_HEADERS = 100
# The maximum of a body, in bytes. The largest upload is an agent file.
MAX_BODY_SIZE = MAX_BYTES + 2**20
# The maximum for clients that are not authenticated: a login is far smaller.
MAX_ANONYMOUS_BODY_SIZE = 64 * 1024
# The maximum of all bodies that a process is receiving; small ones are received beyond it.
MAX_RECEIVED = 256 * 2**20
SMALL_BODY_SIZE = 256 * 1024
# A body may take longer than BODY_TIMEOUT if it arrives at this rate, in bytes per second.
MIN_BODY_RATE = 64 * 1024
# The paths of the API in project/urls.py.
API_PATHS = ("/v1/", "/latest/")


class Refused(Exception):
    """A request that is answered without Django."""

    def __init__(self, status: int, detail: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers

    async def send(self, send: Send) -> None:
        """Respond, and close the connection: the rest of the request is not read."""
        closes = (b"connection", b"close")
        await send_json(send, self.status, {"detail": self.detail}, closes, *self.headers)


async def send_json(
    send: Send, status: int, content: Mapping[str, Any], *headers: tuple[bytes, bytes]
) -> None:
    """Send a JSON object from the event loop."""
    body = json.dumps(content).encode()
    own = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-request-id", current().request_id.encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": body})


def path_of(scope: Scope) -> str:
    """Return the path below the one where the server is mounted."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


def header(scope: Scope, name: bytes) -> bytes | None:
    """Return the value of a header in lower case, or None."""
    return next((value for key, value in scope["headers"] if key == name), None)


def check_headers(scope: Scope) -> None:
    """Raise Refused if there are too many headers."""
    headers = scope["headers"]
    size = sum(len(name) + len(value) for name, value in headers) + len(scope["query_string"])
    if size > MAX_HEADER_SIZE:
        raise Refused(431, HEADERS_TOO_LARGE)
    if len(headers) > MAX_HEADERS:
        raise Refused(431, f"headers: expected at most {MAX_HEADERS}, got {len(headers)}")


def declared_size(scope: Scope) -> int | None:
    """Return the size of the body that the headers declare; None for a body in chunks."""
    length = header(scope, b"content-length")
    if length is not None and length.isdigit():
        return int(length)
    return 0 if header(scope, b"transfer-encoding") is None else None


class BodyReader:
    """Receives bodies, and knows how many bytes the process holds of unfinished ones."""

    def __init__(self) -> None:
        self._received = 0

    async def read(self, receive: Receive, *, maximum: int) -> IO[bytes]:
        """Return a body at its start.

        Raises Refused if it is too large or too slow, or if the process is receiving too much;
        RequestAborted if the client leaves.
        """
        body = tempfile.SpooledTemporaryFile(max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE)  # noqa: SIM115 (the request closes it)
        begun = asyncio.get_running_loop().time()
        size, more = 0, True
        try:
            while more:
                deadline = begun + settings.BODY_TIMEOUT + size / MIN_BODY_RATE
                async with asyncio.timeout_at(deadline):
                    message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestAborted
                part = message.get("body", b"")
                size += len(part)
                self._received += len(part)
                if size > maximum:
                    raise Refused(413, f"body: expected at most {maximum} bytes")
                if self._received > MAX_RECEIVED and size > SMALL_BODY_SIZE:
                    raise Refused(503, "The server is receiving too much", (b"retry-after", b"1"))
                body.write(part)
                more = message.get("more_body", False)
        except TimeoutError:
            body.close()
            detail = f"body: expected within {settings.BODY_TIMEOUT:g} s, got {size} bytes"
            raise Refused(408, detail) from None
        except BaseException:
            body.close()
            raise
        finally:
            self._received -= size
        body.seek(0)
        return body
