"""The transaction of a memory write, which keeps the prompts of default conversations fresh.

The stored prompt of a default conversation is recompiled in the transaction that changes what it
is compiled from. The few functions that write such rows call `mark_stale`, which raises unless a
`memory_write` is running; the recompilation follows at the end of the outermost one.
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import transaction
from django.db.models import Q

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
        if _stale.get() is not None:
            with transaction.atomic():
                return verb(*args, **kwargs)
        stale: set[str] = set()
        token = _stale.set(stale)
        try:
            with transaction.atomic():
                result = verb(*args, **kwargs)
                if stale:
                    recompile_all(stale)
                return result
        finally:
            _stale.reset(token)

    return write


def mark_stale(*, agents: Iterable[str] = (), conversations: Iterable[str] = ()) -> None:
    """Have the default conversations of these agents, or among these ids, recompiled.

    One query. Raises RuntimeError outside of a memory write.
    """
    stale = _stale.get()
    if stale is None:
        raise RuntimeError("Memory was changed outside of a memory_write")
    affected = Q(agent__in=agents) | Q(pk__in=conversations)
    defaults = Conversation.objects.filter(affected, is_default=True, agent__deleted_at=None)
    stale.update(defaults.values_list("pk", flat=True))
