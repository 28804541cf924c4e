"""`uvicorn project.asgi:application` serves everything.

Django's own ASGI handler changes threads for every synchronous middleware and view, which costs
a request more processor time than all middleware. Here a request passes through Django on one of
WEB_THREADS threads. Afterwards, the event loop sends streams of turns, which take no thread. A
request that waits for a whole turn keeps its thread but does not count against WEB_THREADS.
Organizations share the WEB_THREADS fairly.
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from io import BytesIO
from types import FrameType
from typing import IO, Any, TypeVar

import django
from asgiref.sync import sync_to_async

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup(set_prefix=False)

# Not before Django is set up.
from django.conf import settings  # noqa: E402
from django.core import signals  # noqa: E402
from django.core.exceptions import RequestAborted  # noqa: E402
from django.core.handlers.asgi import ASGIHandler, get_script_prefix  # noqa: E402
from django.db import DatabaseError, close_old_connections  # noqa: E402
from django.http import JsonResponse, StreamingHttpResponse  # noqa: E402
from django.http.response import HttpResponseBase  # noqa: E402
from django.urls import set_script_prefix  # noqa: E402

from conversations.api.http.errors import RETRY_AFTER, UNAVAILABLE  # noqa: E402
from conversations.api.waiting import WAITING  # noqa: E402
from conversations.conf import conf  # noqa: E402
from conversations.context import begin, request_id_of  # noqa: E402
from conversations.runtime.fair_slots import FairSlots  # noqa: E402
from conversations.runtime.runtime import close_runtime, get_runtime  # noqa: E402
from conversations.text import first_line  # noqa: E402
from project.access_log import ROUTE, AccessLog  # noqa: E402
from project.database import connection_error  # noqa: E402
from project.fairness import (  # noqa: E402
    Tenants,
    authenticated_tenant,
    tenant_of_credentials,
)
from project.intake import (  # noqa: E402
    API_PATHS,
    MAX_ANONYMOUS_BODY_SIZE,
    MAX_BODY_SIZE,
    BodyReader,
    Message,
    Receive,
    Refused,
    Scope,
    Send,
    check_headers,
    declared_size,
    header,
    path_of,
)
from project.probes import Probes  # noqa: E402

T = TypeVar("T")

# How many requests may wait for whole turns beside the WEB_THREADS busy ones.
MAX_WAITING = 1000
# How many requests of one tenant may wait for one of the WEB_THREADS.
MAX_QUEUED = 1000
# How long a request waits for one of them, in seconds.
SLOT_TIMEOUT = 30.0
TENANT = "project.tenant"


logger = logging.getLogger(__name__)


class Handler(ASGIHandler):
    """Runs Django's synchronous middleware chain on a pool of threads."""

    def __init__(self) -> None:
        self.load_middleware(is_async=False)
        self._threads = ThreadPoolExecutor(
            settings.WEB_THREADS + MAX_WAITING, thread_name_prefix="web"
        )
        self._slots = FairSlots(settings.WEB_THREADS)
        self._tenants = Tenants()
        self._waiting = 0
        self._bodies = BodyReader()
        self._probes = Probes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = (scope.get("client") or ("",))[0]
        given = (header(scope, b"x-request-id") or b"").decode("latin1")
        begin(request_id=request_id_of(given), address=address)
        access = AccessLog(scope, send)
        with access, suppress(RequestAborted):
            try:
                check_headers(scope)
                if not await self._probes.respond(scope, access.send):
                    with access.span():
                        await self._handle(scope, receive, access.send)
            except Refused as refusal:
                await refusal.send(access.send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._receive_body(scope, receive)
        response = await self._serve(scope, receive, send, body)
        if not response.streaming:
            await self.send_response(response, send)
        elif not response.closed:
            await self._send_stream(response, receive, send)

    async def _receive_body(self, scope: Scope, receive: Receive) -> IO[bytes]:
        """Receive the body of a client that may send one; leave that of others unread.

        A request to the API without a valid key reaches Django with no body: it gets its 401.
        """
        # Django's and DRF's views of the request: a body in chunks has no length.
        size = declared_size(scope)
        is_api = path_of(scope).startswith(API_PATHS)
        is_known = size == 0 or self._tenants.is_known(scope)
        if not is_known and (is_api or (size or 0) > MAX_ANONYMOUS_BODY_SIZE):
            is_known = await self._authenticate(scope)
            if is_api and not is_known:
                return BytesIO()
        maximum = MAX_BODY_SIZE if is_known else MAX_ANONYMOUS_BODY_SIZE
        if size is not None and size > maximum:
            raise Refused(413, f"body: expected at most {maximum} bytes")
        body = await self._bodies.read(receive, maximum=maximum)
        if size is None:
            # Django and DRF take a body without a length, sent in chunks, for an empty one.
            length = str(body.seek(0, os.SEEK_END)).encode()
            scope["headers"] = [*scope["headers"], (b"content-length", length)]
            body.seek(0)
        return body

    async def _authenticate(self, scope: Scope) -> bool:
        """Find out on a thread whether a request has valid credentials, and remember whose."""
        tenant = self._tenants.of(scope)
        await self._acquire(tenant)
        try:
            found = await self._in_thread(_call_in_database, tenant_of_credentials, scope)
        except DatabaseError as error:
            logger.error("The database failed: %s", first_line(error))
            raise Refused(503, UNAVAILABLE, (b"retry-after", str(RETRY_AFTER).encode())) from None
        finally:
            self._slots.release(tenant)
        self._tenants.learn(scope, found)
        return found is not None

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, body: IO[bytes]
    ) -> HttpResponseBase:
        tenant = self._tenants.of(scope)
        if self._slots.waiting(tenant) >= MAX_QUEUED:
            return _too_many_requests()
        await self._acquire(tenant)
        has_slot, is_aborted = True, False

        @asynccontextmanager
        async def waiting() -> AsyncIterator[None]:
            nonlocal has_slot
            if self._waiting < MAX_WAITING:
                self._waiting += 1
                self._slots.release(tenant)
                has_slot = False
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 (coroutines run in tasks)

            def abort(_: object) -> None:
                nonlocal is_aborted
                is_aborted = True
                task.cancel()

            watcher = asyncio.create_task(_disconnect(receive))
            watcher.add_done_callback(abort)
            try:
                yield
            finally:
                watcher.remove_done_callback(abort)
                watcher.cancel()

        scope[WAITING] = waiting
        loop = asyncio.get_running_loop()
        try:
            return await self._in_thread(self._respond, scope, send, body, loop)
        except asyncio.CancelledError:
            if is_aborted:
                raise RequestAborted from None
            raise
        finally:
            if TENANT in scope:
                self._tenants.learn(scope, scope[TENANT])
            if has_slot:
                self._slots.release(tenant)
            else:
                self._waiting -= 1

    async def _acquire(self, tenant: str) -> None:
        try:
            async with asyncio.timeout(SLOT_TIMEOUT):
                await self._slots.acquire(tenant)
        except TimeoutError:
            retry_after = (b"retry-after", str(RETRY_AFTER).encode())
            raise Refused(503, "The server is busy; try again", retry_after) from None

    def _in_thread(self, function: Callable[..., T], *args: Any) -> Awaitable[T]:
        # Unlike run_in_executor, lets async_to_sync in the thread use this event loop.
        return sync_to_async(function, thread_sensitive=False, executor=self._threads)(*args)

    def _respond(
        self, scope: Scope, send: Send, body: IO[bytes], loop: asyncio.AbstractEventLoop
    ) -> HttpResponseBase:
        """Pass the request through Django; send synchronous streams; leave others open."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        try:
            request, response = self.create_request(scope, body)
            if request is not None:
                response = self.get_response(request)
                scope[TENANT] = authenticated_tenant(request)
                if request.resolver_match is not None:
                    scope[ROUTE] = request.resolver_match.route
            assert response is not None  # noqa: S101 (there is a request or an error)
            if isinstance(response, StreamingHttpResponse) and response.is_async:
                return response
            try:
                if response.streaming:
                    self._send_from_thread(response, send, loop)
            finally:
                response.close()
            return response
        finally:
            close_old_connections()

    def _send_from_thread(
        self, response: HttpResponseBase, send: Send, loop: asyncio.AbstractEventLoop
    ) -> None:
        def put(message: Message) -> None:
            asyncio.run_coroutine_threadsafe(_await(send(message)), loop).result()

        headers = [(name.encode(), value.encode("latin1")) for name, value in response.items()]
        headers += [
            (b"Set-Cookie", cookie.OutputString().encode()) for cookie in response.cookies.values()
        ]
        put({"type": "http.response.start", "status": response.status_code, "headers": headers})
        for chunk in response:
            put({"type": "http.response.body", "body": chunk, "more_body": True})
        put({"type": "http.response.body"})

    async def _send_stream(self, response: HttpResponseBase, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self.send_response(response, send))
        leaving = asyncio.create_task(_disconnect(receive))
        try:
            await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            leaving.cancel()
            sending.cancel()
            await asyncio.wait([sending])
            await self._in_thread(response.close)


def _call_in_database(function: Callable[..., T], *args: Any) -> T:
    try:
        return function(*args)
    finally:
        close_old_connections()


def _too_many_requests() -> HttpResponseBase:
    detail = f"{MAX_QUEUED} of your requests wait for this process; try again"
    return JsonResponse({"detail": detail}, status=429, headers={"Retry-After": "1"})


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _await(awaitable: Awaitable[None]) -> None:
    await awaitable


def _drain_on_signals() -> None:
    """Drain the runtime on SIGTERM, while the server waits for its connections.

    The server shuts the application down only when all responses have ended, which streams of
    turns do because of this.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        previous = signal.getsignal(number)
        if callable(previous):
            signal.signal(number, partial(_drain_and_stop, previous))


def _drain_and_stop(
    stop: Callable[[int, FrameType | None], Any], number: int, frame: FrameType | None
) -> None:
    grace = {"grace": conf.SHUTDOWN_GRACE}
    threading.Thread(target=get_runtime().drain, kwargs=grace, daemon=True).start()
    stop(number, frame)


handler = Handler()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve HTTP requests; start and end the worker with the server."""
    if scope["type"] == "http":
        await handler(scope, receive, send)
    elif scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            if cause := await asyncio.to_thread(connection_error):
                await send({"type": "lifespan.startup.failed", "message": cause})
                return
            get_runtime().worker  # noqa: B018 (its first sweep recovers runs of a lost worker)
            _drain_on_signals()
            await send({"type": "lifespan.startup.complete"})
        await asyncio.to_thread(close_runtime, conf.SHUTDOWN_GRACE)
        await send({"type": "lifespan.shutdown.complete"})
