"""Database calls from coroutines, on a few threads with connections of their own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

P = ParamSpec("P")
R = TypeVar("R")

# Hundreds of turns and streams wait for models and clients; few use the database at a time.
_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="database")


async def in_database(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function on a database thread and return its result.

    If the caller is cancelled, the function still runs to its end before CancelledError is raised,
    so that the caller never continues while a write is pending.
    """
    loop = asyncio.get_running_loop()
    future = loop.run_in_executor(_threads, partial(_call, function, *args, **kwargs))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


def _call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()
