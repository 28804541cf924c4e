"""Check documents that other programs wrote; `text.py` decides what can be stored."""

from typing import Any

from ..domain.errors import InvalidValue
from ..text import find_unstorable

# The largest value of an integer column.
MAX_INTEGER = 2**31 - 1


def check_storable(document: Any) -> None:
    """Raise InvalidValue, with its path, if a value of the document can't be stored."""
    if unstorable := find_unstorable(document):
        path = ".".join(str(part) for part in unstorable.path[:8]) or "the document"
        raise InvalidValue(path, f"has {unstorable.problem}, which can't be stored")
