"""Which text and JSON can be stored: PostgreSQL and UTF-8 reject a part of what JSON accepts."""

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

# Responses are written by orjson, which stops at 254 levels.
MAX_NESTING = 100

_SURROGATE = re.compile("[\ud800-\udfff]")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Unstorable(NamedTuple):
    """A value that can't be stored: the keys and indexes that lead to it, and what it contains."""

    path: tuple[str | int, ...]
    problem: str


def text_problem(text: str) -> str | None:
    """Return what in a text can't be stored, or None."""
    if "\0" in text:
        return "a NUL character"
    if not text.isascii() and _SURROGATE.search(text):
        return "a lone surrogate"
    return None


def is_storable(text: str) -> bool:
    """Return whether a text can be stored; if not, no stored text equals or contains it."""
    return text_problem(text) is None


def replace_unstorable(text: str) -> str:
    """Replace the characters that can't be stored with U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def find_unstorable(document: Any) -> Unstorable | None:
    """Return a value of a JSON document that can't be stored, or None."""
    for path, value in _walk(document):
        problem = None
        if isinstance(value, str):
            problem = text_problem(value)
        elif isinstance(value, float) and not math.isfinite(value):
            problem = "a number beyond the range of a double"
        elif isinstance(value, dict | list) and len(path) >= MAX_NESTING:
            problem = f"more than {MAX_NESTING} levels of nesting"
        if problem:
            return Unstorable(path, problem)
    return None


def _walk(document: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield every value and key with its path. Not recursive: the caller controls the depth."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        yield path, value
        if isinstance(value, dict):
            for key, item in value.items():
                yield (*path, ascii(key)), key
                waiting.append(((*path, key), item))
        elif isinstance(value, list):
            waiting += [((*path, index), item) for index, item in enumerate(value)]


def first_line(error: BaseException) -> str:
    """Return the first line of an error: the next ones of a database's quote the statement."""
    return str(error).strip().partition("\n")[0]
