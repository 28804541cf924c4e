"""Ids: `conv-5d4d7269-9e38-43f8-800f-0a98c3110ce2`, a prefix and a version 4 UUID in lower case."""

import re
import uuid
from functools import cache, partial

from django.core.exceptions import ValidationError
from django.db import models

UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def new_id(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4()}"


@cache
def _pattern(prefix: str) -> re.Pattern[str]:
    return re.compile(f"{prefix}-{UUID4}")


def is_id(prefix: str, value: object) -> bool:
    return isinstance(value, str) and _pattern(prefix).fullmatch(value) is not None


class PrefixedUUIDField(models.UUIDField):
    """A primary key that reads `<prefix>-<uuid4>` and is stored as the database's own UUID type.

    Values in Python are always the prefixed text. Anything else, another model's prefix
    included, raises ValidationError when it is used in a query.
    """

    # For the type checker: text in, text out.
    _pyi_private_set_type: str
    _pyi_private_get_type: str  # type: ignore[assignment]
    _pyi_lookup_exact_type: str

    def __init__(self, *args, prefix: str, **kwargs):
        self.prefix = prefix
        super().__init__(*args, **{**kwargs, "editable": False, "default": partial(new_id, prefix)})

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        del kwargs["default"], kwargs["editable"]
        return name, path, args, {**kwargs, "prefix": self.prefix}

    def to_python(self, value):
        if value is None or is_id(self.prefix, value):
            return value
        raise ValidationError(
            "%(value)r is not an id of this kind: expected %(prefix)s-<uuid4> in lower case.",
            code="invalid",
            params={"value": value, "prefix": self.prefix},
        )

    def from_db_value(self, value, expression, connection):
        return None if value is None else f"{self.prefix}-{value}"

    def from_cursor(self, value) -> str:
        """An id from a row that no query set has converted: a UUID, or on SQLite its digits."""
        return f"{self.prefix}-{value if isinstance(value, uuid.UUID) else uuid.UUID(value)}"

    def get_db_prep_value(self, value, connection, prepared=False):
        value = self.to_python(value)
        if value is not None:
            value = uuid.UUID(value.removeprefix(f"{self.prefix}-"))
        return super().get_db_prep_value(value, connection, prepared=True)
