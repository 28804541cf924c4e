"""Fields that take what JSON says and coerce nothing, with errors that say what was expected."""

import json
from typing import Any

from django.core.validators import RegexValidator
from rest_framework import ISO_8601, serializers

from ...ids import is_id
from ...models.blocks import LABEL_PATTERN
from ...text import find_unstorable


def _shown(value: Any) -> str:
    """A value in an error message, short."""
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 60 else f"{text[:60]}…"


class Text(serializers.CharField):
    """A string, as it is: not trimmed, and numbers are no strings. NUL and lone surrogates are
    refused, because PostgreSQL and UTF-8 have no place for them."""

    def __init__(self, **kwargs):
        kwargs.setdefault("allow_blank", True)
        super().__init__(**{"trim_whitespace": False, **kwargs})
        self.error_messages |= {
            "blank": "expected at least one character, got an empty string",
            "null": "expected a string, got null",
            "required": "field required",
        }

    def to_internal_value(self, data):
        if not isinstance(data, str):
            raise serializers.ValidationError(f"expected a string, got {_shown(data)}")
        return data


class Label(Text):
    """A block's label: letters, digits, `_`, `/` and `-`, at most 50."""

    def __init__(self, **kwargs):
        super().__init__(allow_blank=False, max_length=50, **kwargs)
        self.validators.append(
            RegexValidator(
                rf"^{LABEL_PATTERN}\Z",
                "expected letters, digits, underscores, hyphens and slashes, got %(value)r",
            )
        )


class Id(Text):
    """An id with its prefix."""

    def __init__(self, prefix: str, **kwargs):
        self.prefix = prefix
        super().__init__(**kwargs)

    def to_internal_value(self, data):
        value = super().to_internal_value(data)
        if not is_id(self.prefix, value):
            raise serializers.ValidationError(
                f"expected {self.prefix}-<uuid4> in lower case, got {_shown(value)}"
            )
        return value


class WholeNumber(serializers.IntegerField):
    """An integer that the database's 4 bytes hold; in a query, its digits."""

    def __init__(self, **kwargs):
        kwargs.setdefault("min_value", -(2**31))
        kwargs.setdefault("max_value", 2**31 - 1)
        super().__init__(**kwargs)
        self.error_messages |= {
            "null": "expected an integer, got null",
            "required": "field required",
        }

    def to_internal_value(self, data):
        is_number = isinstance(data, int) and not isinstance(data, bool)
        if not (is_number or (isinstance(data, str) and data.lstrip("+-").isdecimal())):
            raise serializers.ValidationError(f"expected an integer, got {_shown(data)}")
        number = super().to_internal_value(data)
        if number < self.min_value:
            raise serializers.ValidationError(f"expected at least {self.min_value}, got {number}")
        if number > self.max_value:
            raise serializers.ValidationError(f"expected at most {self.max_value}, got {number}")
        return number


class Flag(serializers.BooleanField):
    """A boolean; in a query, `true` or `false`."""

    default_error_messages = {
        "invalid": "expected true or false, got {input!r}",
        "null": "expected true or false, got null",
    }


class Choice(serializers.ChoiceField):
    default_error_messages = {
        "invalid_choice": "expected one of {choices}, got {input!r}",
        "null": "expected one of {choices}, got null",
    }

    def fail(self, key, **kwargs):
        super().fail(key, choices=", ".join(repr(c) for c in self.choices), **kwargs)


class Timestamp(serializers.DateTimeField):
    """A time in ISO 8601; without a zone it is UTC."""

    input_formats = [ISO_8601]
    default_error_messages = {"invalid": "expected a time in ISO 8601"}


class Listed(serializers.ListField):
    """An array."""

    default_error_messages = {
        "not_a_list": "expected an array, got {input_type}",
        "null": "expected an array, got null",
    }


class Repeated(Listed):
    """In a query, a parameter that may be repeated; each time makes a condition, and databases
    take only so many."""

    def __init__(self, **kwargs):
        super().__init__(max_length=200, **kwargs)


class JsonObject(serializers.JSONField):
    """A JSON object of any content that can be stored and rendered."""

    default_error_messages = {"null": "expected an object, got null"}

    def to_internal_value(self, data):
        if not isinstance(data, dict):
            raise serializers.ValidationError(f"expected an object, got {_shown(data)}")
        if unstorable := find_unstorable(data):
            raise serializers.ValidationError(f"has {unstorable.problem}, which can't be stored")
        return data
