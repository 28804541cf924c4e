"""Ids: a prefix and a version 4 UUID, as in `conv-5d4d7269-9e38-43f8-800f-0a98c3110ce2`."""

import re
import uuid
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"

if TYPE_CHECKING:
    # To Python code, the field takes and returns text.
    _UUIDField = models.CharField[str, str]
else:
    _UUIDField = models.UUIDField


def new_id(prefix: str) -> str:
    """Return a new random id with this prefix."""
    return f"{prefix}-{uuid.uuid4()}"


@cache
def _pattern(prefix: str) -> re.Pattern[str]:
    return re.compile(f"{prefix}-{UUID4}")


def is_id(prefix: str, value: object) -> bool:
    """Return whether a value is an id with this prefix, in lower case."""
    return isinstance(value, str) and _pattern(prefix).fullmatch(value) is not None


class PrefixedUUIDField(_UUIDField):
    """A primary key that reads `<prefix>-<uuid4>` and is stored in the database's UUID type.

    Raises ValidationError for any other value in a query, including ids with another prefix.
    """

    def __init__(self, *args: Any, prefix: str, **kwargs: Any):
        self.prefix = prefix
        super().__init__(*args, **{**kwargs, "editable": False, "default": partial(new_id, prefix)})

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["default"], kwargs["editable"]
        return name, path, [*args], {**kwargs, "prefix": self.prefix}

    def to_python(self, value: Any) -> str | None:
        if value is None:
            return None
        if isinstance(value, str) and is_id(self.prefix, value):
            return value
        raise ValidationError(
            "%(value)r is not an id of this kind: expected %(prefix)s-<uuid4> in lower case.",
            code="invalid",
            params={"value": value, "prefix": self.prefix},
        )

    def from_db_value(
        self, value: Any, expression: models.Expression, connection: BaseDatabaseWrapper
    ) -> str | None:
        """Add the prefix to a value that a query set returns."""
        return None if value is None else f"{self.prefix}-{value}"

    def from_cursor(self, value: uuid.UUID | str) -> str:
        """Return the id for a value from a cursor: a UUID, or its hexadecimal digits on SQLite."""
        return f"{self.prefix}-{value if isinstance(value, uuid.UUID) else uuid.UUID(value)}"

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        text = self.to_python(value)
        number = uuid.UUID(text.removeprefix(f"{self.prefix}-")) if text is not None else None
        return super().get_db_prep_value(number, connection, prepared=True)
