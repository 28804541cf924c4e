"""`uvicorn project.asgi:application` serves everything.

Requests go over a bridge to Django's WSGI handler on a fixed pool of threads. A sync view under
the ASGI handler hops between threads for every request; in the same process the bridge answered a
view with three queries in two thirds of the time. What waits for a model is sent from here, when
the view is done: waiting takes no thread.
"""

import asyncio
import os

from a2wsgi import WSGIMiddleware
from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

bridge = WSGIMiddleware(
    get_wsgi_application(),  # type: ignore[arg-type]
    workers=settings.WEB_THREADS,
)

# Not before Django is set up.
from conversations.api.run_response import ANSWER  # noqa: E402
from conversations.runtime.broker import stop_listening  # noqa: E402
from conversations.runtime.worker import SHUTDOWN_GRACE, drain, this_worker  # noqa: E402
from project.database import connection_error  # noqa: E402


async def application(scope, receive, send):
    if scope["type"] == "http":
        if any(name == b"transfer-encoding" for name, _ in scope["headers"]):
            scope, receive = await with_length(scope, receive)
        await answer(scope, receive, send)
    elif scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            if cause := await asyncio.to_thread(connection_error):
                await send({"type": "lifespan.startup.failed", "message": cause})
                return
            this_worker()  # Its first sweep fails the runs that a dead process left behind.
            await send({"type": "lifespan.startup.complete"})
        await asyncio.to_thread(drain, SHUTDOWN_GRACE)
        await asyncio.to_thread(stop_listening)
        await send({"type": "lifespan.shutdown.complete"})


async def answer(scope, receive, send):
    """What the view answers, or what it leaves to be answered."""
    headers = []

    async def send_unless_left(message):
        if ANSWER not in scope:
            await send(message)
        elif message["type"] == "http.response.start":
            headers.extend(message["headers"])

    await bridge(scope, receive, send_unless_left)
    if ANSWER in scope:
        await scope[ANSWER].send(receive, send, headers)


async def with_length(scope, receive):
    """A request whose body comes in chunks, with the length that WSGI needs to read it.

    Reads no more than shows that the body is too large.
    """
    body = b""
    more = True
    while more and len(body) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(name, value) for name, value in scope["headers"] if name != b"transfer-encoding"]
    headers.append((b"content-length", str(len(body)).encode()))
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_whole():
        return pending.pop() if pending else await receive()

    return {**scope, "headers": headers}, receive_whole
