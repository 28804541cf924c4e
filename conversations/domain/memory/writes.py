"""The transaction of a memory write, which keeps the prompts of default conversations fresh.

The functions that change what a prompt is compiled from call `mark_stale`, which raises unless a
`memory_write` is running; the recompilation follows at the end of the outermost one.

A verb about a label finds the block that it means, locks it, and looks again. If the label was
isolated or released in between, the locked block is the wrong one. Locking a second block then
would break the lock order, so the verb rolls back, which frees its locks, and starts again.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import transaction

from ...models import Conversation
from ..errors import Conflict
from .prompt import recompile_all

P = ParamSpec("P")
R = TypeVar("R")

MAX_ATTEMPTS = 10

# The ids of the default conversations that the running memory write must recompile.
_stale: ContextVar[set[str] | None] = ContextVar("stale", default=None)


def memory_write(verb: Callable[P, R]) -> Callable[P, R]:
    """Run a verb in one transaction, at whose end stale default conversations are recompiled.

    The number of queries does not grow with the conversations: thousands of agents may share a
    block. A memory write inside of another one leaves the recompilation to that.
    """

    @wraps(verb)
    def write(*args: P.args, **kwargs: P.kwargs) -> R:
        with transaction.atomic():
            if _stale.get() is not None:
                return verb(*args, **kwargs)
            stale: set[str] = set()
            token = _stale.set(stale)
            try:
                result = verb(*args, **kwargs)
            finally:
                _stale.reset(token)
            if stale:
                recompile_all(stale)
            return result

    return write


def mark_stale(**conditions: Any) -> None:
    """Have the default conversations that meet these conditions recompiled. One query.

    Raises RuntimeError outside of a memory write.
    """
    stale = _stale.get()
    if stale is None:
        raise RuntimeError("Memory was changed outside of a memory_write")
    defaults = Conversation.objects.filter(is_default=True, agent__deleted_at=None, **conditions)
    stale.update(defaults.values_list("pk", flat=True))


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
