"""Bringing a V1 database: look at all of it, then write, then compare."""

from collections.abc import Callable
from typing import Any

from django.db import IntegrityError

from .sinks import Compare, Look, Write
from .source import Source, SourceError
from .walk import walk


def _silent(told: Any) -> None:
    pass


def look(source: Source, *, tell: Callable[[str], None], advance: Callable[[int], Any]) -> Look:
    """Read every row that would come. Raises for the first that can't be stored."""
    sink = Look()
    walk(source, sink, tell, advance)
    return sink


def write(source: Source, *, advance: Callable[[int], Any]) -> Write:
    """Insert what is not here yet, some agents at a time, each of them whole.

    After `look` nothing can be wrong with a row. Ended in the middle, it has brought some agents;
    the next call brings the others.
    """
    sink = Write()
    try:
        walk(source, sink, _silent, advance)
    except IntegrityError as error:
        raise SourceError(
            f"A row of V1 conflicts with one that was made here since: {str(error).strip()}"
        ) from error
    return sink


def compare(
    source: Source, *, tell: Callable[[str], None], advance: Callable[[int], Any]
) -> Compare:
    """Count and digest the rows on both sides, and tell of every difference."""
    sink = Compare(tell)
    walk(source, sink, _silent, advance)
    return sink
