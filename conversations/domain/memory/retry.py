"""Verbs about a label find out what it means, lock that, and look again.

When somebody isolated or released the label in between, what was locked is no longer what the
label means. Locking the other rows as well would break the order of locks, so the verb lets go of
everything and begins again.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import transaction

from ..errors import Conflict

P = ParamSpec("P")
R = TypeVar("R")

TRIES = 10


class LabelChanged(Exception):
    """What a verb has locked is no longer what its label means."""


def retry_on_label_change(verb: Callable[P, R]) -> Callable[P, R]:
    """Make a verb one transaction, which is rolled back and begun anew when it was overtaken."""

    @wraps(verb)
    def whole(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(TRIES):
            try:
                with transaction.atomic():
                    return verb(*args, **kwargs)
            except LabelChanged:
                continue
        raise Conflict("Others isolate and release this label at the same time; try again")

    return whole
