"""Run several callers at once, each on its own connection."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connection

from conversations.domain.errors import DomainError

WRITERS = 8


def at_once(call: Callable[[int], object], *, callers: int = WRITERS, times: int = 1) -> list:
    """Return the results of `call(caller)`; all callers start at once.

    A DomainError is a result; any other exception fails the test.
    """
    start = Barrier(callers)

    def run(caller: int) -> list:
        start.wait(timeout=30)
        try:
            return [_result(call, caller) for _ in range(times)]
        finally:
            connection.close()

    with ThreadPoolExecutor(callers) as pool:
        futures = [pool.submit(run, caller) for caller in range(callers)]
        return [result for future in futures for result in future.result(timeout=120)]


def _result(call: Callable[[int], object], caller: int) -> object:
    try:
        return call(caller)
    except DomainError as error:
        return error
