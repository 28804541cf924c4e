"""Reading JSON that somebody else wrote: every wrong value is named by its path."""

import json
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from ...domain.errors import InvalidArgument, InvalidValue
from ...text import find_unstorable

# A file is read as a whole, which takes about ten times its size in memory.
MAX_BYTES = 64 * 2**20
MAX_IN_COLUMN = 2**31 - 1


def check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise InvalidArgument(
            f"The file has {size} bytes; expected at most {MAX_BYTES} ({MAX_BYTES >> 20} MiB)"
        )


def parse_document(data: bytes) -> "Node":
    """The document in a file, all of whose values both databases can hold."""
    check_size(len(data))
    try:
        value = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"Expected JSON in UTF-8; {error}") from None
    check_storable(value)
    return Node(value, "")


def _refuse(constant: str):
    raise ValueError(f"{constant} is not JSON")


def check_storable(document: Any) -> None:
    """Raise InvalidValue, with its path, if a value of the document can't be stored."""
    if unstorable := find_unstorable(document):
        message = f"has {unstorable.problem}, which can't be stored"
        raise InvalidValue(_join(unstorable.path), message)


def _join(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path[:8]) or "the document"


class Node:
    """A value of a document, and where it stands. Null and a missing key are one."""

    def __init__(self, value: Any, path: str):
        self.value = value
        self.path = path

    def get(self, name: str) -> "Node":
        return Node(self.fields.get(name), f"{self.path}.{name}".lstrip("."))

    def wrong(self, expected: str) -> InvalidValue:
        shown = json.dumps(self.value, ensure_ascii=True, default=str)
        shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
        return InvalidValue(self.path or "the document", f"expected {expected}, got {shown}")

    @property
    def fields(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        return self.value

    def each(self, name: str) -> list["Node"]:
        """The items of a list."""
        node = self.get(name)
        if node.value is None:
            return []
        if not isinstance(node.value, list):
            raise node.wrong("an array")
        return [Node(item, f"{node.path}.{index}") for index, item in enumerate(node.value)]

    def has(self, name: str) -> bool:
        return self.fields.get(name) is not None

    def text(self, name: str, *, most: int | None = None) -> str | None:
        node = self.get(name)
        if node.value is None:
            return None
        return node.as_text(most=most)

    def needed_text(self, name: str, *, most: int | None = None) -> str:
        return self.get(name).as_text(most=most)

    def as_text(self, *, most: int | None = None) -> str:
        if not isinstance(self.value, str):
            raise self.wrong("a string")
        if most is not None and len(self.value) > most:
            raise self.wrong(f"at most {most} characters")
        return self.value

    def texts(self, name: str, *, most: int | None = None) -> list[str]:
        return [node.as_text(most=most) for node in self.each(name)]

    def flag(self, name: str) -> bool | None:
        node = self.get(name)
        if node.value is not None and not isinstance(node.value, bool):
            raise node.wrong("true or false")
        return node.value

    def number(self, name: str, *, least: int = 0) -> int | None:
        node = self.get(name)
        return None if node.value is None else node.as_number(least=least)

    def as_number(self, *, least: int = 0) -> int:
        is_number = isinstance(self.value, int) and not isinstance(self.value, bool)
        if not is_number or not least <= self.value <= MAX_IN_COLUMN:
            raise self.wrong(f"an integer from {least} to {MAX_IN_COLUMN}")
        return self.value

    def object(self, name: str) -> dict | None:
        node = self.get(name)
        return None if node.value is None else node.fields

    def time(self, name: str) -> datetime | None:
        """A time in ISO 8601; without a zone it is UTC."""
        node = self.get(name)
        if node.value is None:
            return None
        try:
            found = parse_datetime(node.as_text())
        except ValueError:
            found = None
        if found is None:
            raise node.wrong("a time in ISO 8601")
        return found if found.tzinfo else found.replace(tzinfo=UTC)
