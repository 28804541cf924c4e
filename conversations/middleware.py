"""Django middleware for projects that install the app."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from .context import EMPTY, bound, current, request_id_of

REQUEST_ID = "X-Request-ID"


class RequestContext:
    """Give each request a context with an id, which the response has as X-Request-ID.

    Put it first. A server that has begun the context itself, as `project.asgi` does, keeps it.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._respond(request)
        with request_context(request):
            return _with_id(self._get_response(request))

    async def _respond(self, request: HttpRequest) -> HttpResponseBase:
        with request_context(request):
            return _with_id(await cast("Awaitable[HttpResponseBase]", self._get_response(request)))


def request_context(request: HttpRequest) -> AbstractContextManager[None]:
    """Return a context manager that begins the request's context, unless something has."""
    if current() != EMPTY:
        return nullcontext()
    return bound(
        request_id=request_id_of(request.headers.get(REQUEST_ID)),
        address=request.META.get("REMOTE_ADDR", ""),
    )


def _with_id(response: HttpResponseBase) -> HttpResponseBase:
    response.headers[REQUEST_ID] = current().request_id
    return response
