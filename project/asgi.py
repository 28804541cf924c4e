"""`uvicorn project.asgi:application` serves everything.

Plain requests go over a bridge to Django's WSGI handler on a fixed pool of threads. A sync view
under the ASGI handler hops between threads for every request; in the same process the bridge
answered a view with three queries in two thirds of the time.
"""

import os

from a2wsgi import WSGIMiddleware
from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

plain_requests = WSGIMiddleware(
    get_wsgi_application(),  # type: ignore[arg-type]
    workers=settings.WEB_THREADS,
)


async def application(scope, receive, send):
    if scope["type"] == "http":
        await plain_requests(scope, receive, send)
    elif scope["type"] == "lifespan":
        # Nothing to start or stop; answering keeps uvicorn from warning.
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
