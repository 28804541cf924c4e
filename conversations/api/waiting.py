"""Waiting for a provider in a view, without a database connection or a busy thread."""

from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeVar

from asgiref.sync import async_to_sync
from django.db import connection
from rest_framework.request import Request

Result = TypeVar("Result")

# A server may put a function under this key of the ASGI scope. It returns an async context manager
# in which the view waits, so that its thread does not count as busy meanwhile.
WAITING = "conversations.waiting"


def wait_for(request: Request, awaitable: Awaitable[Result]) -> Result:
    """Wait for a result on the thread of a view."""
    if not connection.in_atomic_block:
        connection.close()
    waiting = getattr(request._request, "scope", {}).get(WAITING, nullcontext)
    return async_to_sync(_wait)(awaitable, waiting())


async def _wait(
    awaitable: Awaitable[Result], waiting: AbstractAsyncContextManager[object]
) -> Result:
    async with waiting:
        return await awaitable
