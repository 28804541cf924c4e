"""Fields that accept exactly what JSON says, with errors that name what was expected."""

import json
from collections.abc import Sized
from math import isfinite
from typing import Any, ClassVar, NoReturn

from rest_framework import ISO_8601, serializers

from ...ids import is_id
from ...models.blocks import LABEL_LENGTH
from ...text import find_unstorable

# A field that can be absent or null.
OPTIONAL: dict[str, Any] = {"required": False, "allow_null": True}
# Items of a list in a body or query, if its field does not say otherwise.
MAX_ITEMS = 200


class Input(serializers.Serializer[dict[str, Any]]):
    """Base class of request bodies and queries.

    `ignored_fields` are V1's fields that have no effect here, with the reason. The response warns
    of them, as of unknown fields.
    """

    ignored_fields: ClassVar[dict[str, str]] = {}


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 60 else f"{text[:60]}…"


class StrictString(serializers.CharField):
    """A string, not trimmed. NUL and lone surrogates are rejected by DRF's own validators."""

    default_error_messages = {
        "blank": "expected at least one character, got an empty string",
        "null": "expected a string, got null",
        "required": "field required",
    }

    def __init__(self, *, allow_blank: bool = True, **kwargs: Any):
        super().__init__(allow_blank=allow_blank, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            raise serializers.ValidationError(f"expected a string, got {_shown(data)}")
        return data


class Label(StrictString):
    """A block's label: any text that is not too long, as in V1."""

    def __init__(self, **kwargs: Any):
        super().__init__(max_length=LABEL_LENGTH, **kwargs)


class Id(StrictString):
    """An id with a given prefix."""

    def __init__(self, prefix: str, **kwargs: Any):
        self.prefix = prefix
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        value: str = super().to_internal_value(data)
        if not is_id(self.prefix, value):
            raise serializers.ValidationError(
                f"expected {self.prefix}-<uuid4> in lower case, got {_shown(value)}"
            )
        return value


class StrictInteger(serializers.IntegerField):
    """An integer of the database's 4 bytes; in a query, its digits."""

    default_error_messages = {
        "null": "expected an integer, got null",
        "required": "field required",
        # Django's validators fill these in.
        "min_value": "expected at least %(limit_value)s, got %(value)s",
        "max_value": "expected at most %(limit_value)s, got %(value)s",
    }

    def __init__(self, *, min_value: int = -(2**31), max_value: int = 2**31 - 1, **kwargs: Any):
        super().__init__(min_value=min_value, max_value=max_value, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        is_number = isinstance(data, int) and not isinstance(data, bool)
        if not (is_number or (isinstance(data, str) and data.lstrip("+-").isdecimal())):
            raise serializers.ValidationError(f"expected an integer, got {_shown(data)}")
        return super().to_internal_value(data)


class StrictFloat(serializers.FloatField):
    """A finite number."""

    default_error_messages = {"null": "expected a number, got null"}

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float) or not isfinite(data):
            raise serializers.ValidationError(f"expected a number, got {_shown(data)}")
        return float(data)


class StrictBoolean(serializers.BooleanField):
    """A boolean; in a query, `true` or `false`."""

    default_error_messages = {
        "invalid": "expected true or false, got {input!r}",
        "null": "expected true or false, got null",
    }

    def to_internal_value(self, data: Any) -> bool:
        if isinstance(data, int | float) and not isinstance(data, bool):
            self.fail("invalid", input=data)
        return bool(super().to_internal_value(data))


class StrictChoice(serializers.ChoiceField):
    """One of several strings."""

    default_error_messages = {
        "invalid_choice": "expected one of {choices}, got {input!r}",
        "null": "expected one of {choices}, got null",
    }

    def fail(self, key: str, **kwargs: Any) -> NoReturn:
        super().fail(key, choices=", ".join(repr(str(c)) for c in self.choices), **kwargs)


class StrictDateTime(serializers.DateTimeField):
    """A time in ISO 8601, in UTC if it has no offset."""

    input_formats = [ISO_8601]
    default_error_messages = {"invalid": "expected a time in ISO 8601"}


class StrictList(serializers.ListField):
    """An array of at most `max_length` items, which are counted before they are validated."""

    max_length: int
    default_error_messages = {
        "not_a_list": "expected an array, got {input_type}",
        "null": "expected an array, got null",
    }

    def __init__(self, *, max_length: int = MAX_ITEMS, **kwargs: Any):
        super().__init__(max_length=max_length, **kwargs)

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list):
            check_length(data, self.max_length)
        items: list[Any] = super().to_internal_value(data)
        return items


def check_length(items: Sized, maximum: int) -> None:
    """Raise ValidationError if there are more items than the maximum."""
    if len(items) > maximum:
        raise serializers.ValidationError(f"expected at most {maximum} items, got {len(items)}")


class StrictObject(serializers.JSONField):
    """A JSON object that can be stored and rendered."""

    default_error_messages = {"null": "expected an object, got null"}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError(f"expected an object, got {_shown(data)}")
        if unstorable := find_unstorable(data):
            raise serializers.ValidationError(f"has {unstorable.problem}, which can't be stored")
        return data


class PageQuery(Input):
    """The parameters that every list takes."""

    before = StrictString(required=False, help_text="Id of the row that follows the page.")
    after = StrictString(required=False, help_text="Id of the row that precedes the page.")
    limit = StrictInteger(default=50, min_value=1, max_value=1000)
    order = StrictChoice(["asc", "desc"], default="desc")
    order_by = StrictChoice(["created_at"], default="created_at")
