"""Database calls from coroutines, on a few threads with connections of their own."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import IntegrityError, InterfaceError, OperationalError, close_old_connections

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

# What Django raises while the database restarts, is out of reach or refuses to wait for a lock.
UNAVAILABLE = (OperationalError, InterfaceError)
# How long to retry, and between which delays, in seconds.
RETRY_TIMEOUT = 600.0
MIN_RETRY_DELAY = 0.2
MAX_RETRY_DELAY = 5.0


class CommitUnknown(Exception):
    """A retried transaction collides with rows that its earlier try may have committed."""


# Hundreds of turns and streams wait for models and clients; few use the database at a time.
_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="database")


async def in_database(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function on a database thread, in the present context, and return its result.

    If the caller is cancelled, the function still runs to its end before CancelledError is raised,
    so that the caller never continues while a write is pending.
    """
    loop = asyncio.get_running_loop()
    call = partial(_call, function, *args, **kwargs)
    future = loop.run_in_executor(_threads, copy_context().run, call)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


async def in_database_when_available(
    function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call a function on a database thread; retry it while the database is not available.

    Raises CommitUnknown if an earlier try seems to have been committed, and the database's error
    after RETRY_TIMEOUT.
    """
    deadline = time.monotonic() + RETRY_TIMEOUT
    delay = MIN_RETRY_DELAY
    is_retry = False
    while True:
        try:
            return await in_database(function, *args, **kwargs)
        except UNAVAILABLE as error:
            if time.monotonic() > deadline:
                raise
            logger.warning("The database is not available; retrying in %.1f s: %s", delay, error)
        except IntegrityError as error:
            if is_retry:
                raise CommitUnknown from error
            raise
        is_retry = True
        await asyncio.sleep(delay)
        delay = min(2 * delay, MAX_RETRY_DELAY)


def _call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()
