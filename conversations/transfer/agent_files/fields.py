"""Field types of agent files, and the one place where their errors get a text."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Self, TypeVar

from django.db import models
from django.utils.dateparse import parse_datetime
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ...domain.errors import InvalidValue
from ..validation import MAX_INTEGER

EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "extra_forbidden": "no such field",
    "list_type": "an array",
    "model_type": "an object",
    "string_too_long": "at most {max_length} characters",
    "string_type": "a string",
}


DjangoModel = type[models.Model]


def expected(what: str) -> PydanticCustomError:
    """Return the error for a validator to raise; the text says "expected `what`"."""
    return PydanticCustomError("expected", "{what}", {"what": what})


def wrong(path: str, what: str, value: Any) -> InvalidValue:
    """Return the error that names a place in the file, what it needs and what it contains."""
    shown = json.dumps(value, ensure_ascii=True, default=str)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
    return InvalidValue(path or "the document", f"expected {what}, got {shown}")


def first_error(error: ValidationError) -> InvalidValue:
    """Turn the first error that pydantic found into ours."""
    found = error.errors(include_url=False)[0]
    what = EXPECTED.get(found["type"], found["msg"]).format(**found.get("ctx", {}))
    return wrong(".".join(str(part) for part in found["loc"]), what, found["input"])


class FileModel(BaseModel):
    """An object of the file. Unknown keys are ignored; null is the same as a missing key."""

    model_config = ConfigDict(strict=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_missing(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        # A missing required value is validated as null, so that the error names its type.
        required = {name: None for name, field in cls.model_fields.items() if field.is_required()}
        return required | {name: value for name, value in data.items() if value is not None}

    @classmethod
    def from_row(cls, row: Any, **fields: Any) -> Self:
        """Copy the fields of the same name from a stored row, which needs no validation."""
        names = [name for name, field in cls.model_fields.items() if not field.exclude]
        copied = {name: getattr(row, name) for name in names if hasattr(row, name)}
        return cls.model_construct(**{**copied, **fields})

    def columns(self, model: DjangoModel) -> dict[str, Any]:
        """Return the values to store in a row of a Django model: no ids, which are the file's."""
        columns = {
            field.name
            for field in model._meta.concrete_fields
            if not (field.primary_key or field.is_relation)
        }
        return {name: getattr(self, name) for name in type(self).model_fields if name in columns}


def _integer(minimum: int) -> BeforeValidator:
    def validate(value: Any) -> int:
        if type(value) is int and minimum <= value <= MAX_INTEGER:
            return value
        raise expected(f"an integer from {minimum} to {MAX_INTEGER}")

    return BeforeValidator(validate)


def _parse_time(value: Any) -> datetime:
    try:
        time = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        time = None
    if time is None:
        raise expected("a time in ISO 8601")
    return time if time.tzinfo else time.replace(tzinfo=UTC)


Item = TypeVar("Item")
# Stops at the first wrong item: a large file can't produce millions of errors.
Array = Annotated[list[Item], Field(fail_fast=True)]
Object = dict[str, Any]
# V1 wrote both names.
Metadata = Annotated[Object, Field(validation_alias=AliasChoices("metadata", "metadata_"))]
Name = Annotated[str, Field(max_length=200)]
Count = Annotated[int, _integer(0)]
Positive = Annotated[int, _integer(1)]
# In ISO 8601; without a time zone it is UTC.
Time = Annotated[datetime, BeforeValidator(_parse_time), PlainSerializer(datetime.isoformat)]
