"""The transaction of a memory write, which keeps the prompts of default conversations fresh.

The functions that change what a prompt is compiled from call `mark_stale`, which raises unless a
`memory_write` is running; the recompilation follows at the end of the outermost one.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import transaction

from ...models import Conversation
from .prompt import recompile_all

P = ParamSpec("P")
R = TypeVar("R")

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
