"""Retry a verb about a label when the label comes to mean another block while it runs.

Such a verb finds the block that a label means, locks it, and looks again. If the label was
isolated or released in between, the locked block is the wrong one. Locking a second block then
would break the lock order, so the verb rolls back, which frees its locks, and starts again.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from ..errors import Conflict
from .writes import memory_write

P = ParamSpec("P")
R = TypeVar("R")

MAX_ATTEMPTS = 10


class LabelChanged(Exception):
    """The locked block is no longer the one that the label means."""


def retry_on_label_change(verb: Callable[P, R]) -> Callable[P, R]:
    """Make a verb one memory write that is rolled back and retried on LabelChanged.

    Raises Conflict after `MAX_ATTEMPTS` attempts.
    """
    attempt = memory_write(verb)

    @wraps(attempt)
    def write(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(MAX_ATTEMPTS):
            try:
                return attempt(*args, **kwargs)
            except LabelChanged:
                continue
        raise Conflict("Other requests isolate and release this label at the same time; try again")

    return write
