"""Field types that several shapes use."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from pydantic import Field, WithJsonSchema

from ...models import Drift

Shape = TypeVar("Shape")
JSONObject = dict[str, Any]
# V1's lists that are always empty here.
EmptyList = Annotated[list[Any], Field(max_length=0)]


def one_of(values: Iterable[str]) -> WithJsonSchema:
    """Document the values of a string that the type checker knows as `str` only."""
    return WithJsonSchema({"type": "string", "enum": list(values)})


DriftName = Annotated[str, one_of(Drift.values)]


def attributes(shape: type[Shape], row: object) -> Shape:
    """Return the dict of a shape whose fields are attributes of `row` with the same names."""
    return cast(Shape, {name: getattr(row, name) for name in shape.__annotations__})


def constants(shape: type[Shape]) -> Shape:
    """Return the one dict that fits a shape whose types allow one value each.

    Such types are `None`, a literal and `EmptyList`.
    """
    hints = get_type_hints(shape)
    return cast(Shape, {name: _only_value(name, hint) for name, hint in hints.items()})


def _only_value(name: str, hint: Any) -> Any:
    if hint is type(None):
        return None
    if get_origin(hint) is Literal and len(get_args(hint)) == 1:
        return get_args(hint)[0]
    if get_origin(hint) is list:
        return []
    raise TypeError(f"{name}: more than one value has the type {hint}")
