"""Several callers at once, each on a connection of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connection

from conversations.domain.errors import DomainError

WRITERS = 8


def at_once(call: Callable[[int], object], *, callers: int = WRITERS, times: int = 1) -> list:
    """What `call(caller)` answered, all callers starting together. A refusal by the domain is an
    answer; anything else that is raised fails the test."""
    start = Barrier(callers)

    def run(caller: int) -> list:
        start.wait(timeout=30)
        try:
            return [_answer(call, caller) for _ in range(times)]
        finally:
            connection.close()

    with ThreadPoolExecutor(callers) as pool:
        futures = [pool.submit(run, caller) for caller in range(callers)]
        return [answer for future in futures for answer in future.result(timeout=120)]


def _answer(call: Callable[[int], object], caller: int) -> object:
    try:
        return call(caller)
    except DomainError as refusal:
        return refusal
