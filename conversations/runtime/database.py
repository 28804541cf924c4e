"""Calling the database from coroutines: on few threads, each with its own connection."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

P = ParamSpec("P")
R = TypeVar("R")

# Hundreds of turns and streams wait for models and clients; few of them use the database at once.
_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="database")


async def in_database(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What `function` answers, called on a thread that may use the database.

    A caller that is cancelled meanwhile is so when the function has ended: what it writes would
    otherwise be written behind the caller's back, or not at all.
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
