"""Request bodies and queries of blocks."""

from typing import Any

from django.db import models
from rest_framework import serializers

from ...domain.memory.blocks import BlockFields
from ...models import Block
from ...models.base import TagsField
from .fields import (
    OPTIONAL,
    Id,
    Input,
    Label,
    PageQuery,
    StrictBoolean,
    StrictChoice,
    StrictInteger,
    StrictList,
    StrictObject,
    StrictString,
)

# `type: ignore[assignment]` below: DRF takes declared fields off the class, so that `label` and
# `read_only` do not hide its own attributes of these names.


def without_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    """Drop the fields that are null, which means absent in V1, except for `description`."""
    return {
        name: value for name, value in fields.items() if value is not None or name == "description"
    }


def _strict_field(name: str) -> serializers.Field[Any, Any, Any, Any]:
    """Return the request field for a column of a block."""
    column: Any = Block._meta.get_field(name)
    options: dict[str, Any] = {**OPTIONAL, "help_text": column.help_text or None}
    match column:
        case TagsField():
            return StrictList(child=StrictString(), **options)
        case models.JSONField():
            return StrictObject(**options)
        case models.BooleanField():
            return StrictBoolean(**options)
        case models.IntegerField():
            return StrictInteger(min_value=1, **options)
        case models.TextField() | models.CharField():
            return StrictString(max_length=column.max_length, **options)
    raise TypeError(f"No request field for {column!r}")


class BlockBody(Input):
    """The editable fields of a block. Null means absent, except for `description`."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        names = [name for name in BlockFields.__annotations__ if name != "label"]
        return {name: _strict_field(name) for name in names} | super().get_fields()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return without_nulls(attrs)


class CreateBlockBody(BlockBody):
    """The body of POST /v1/blocks/."""

    label = Label()  # type: ignore[assignment]


class UpdateBlockBody(BlockBody):
    """The body of a PATCH of a block; absent fields keep their values."""

    label = Label(**OPTIONAL)  # type: ignore[assignment]


class CountBlocksQuery(Input):
    """The query of GET /v1/blocks/count; lists accept it too."""

    label = Label(required=False)  # type: ignore[assignment]
    name = StrictString(required=False, help_text="Template name.")
    project_id = StrictString(required=False)
    templates_only = StrictBoolean(default=False)
    tags = StrictList(child=StrictString(), default=list)
    match_all_tags = StrictBoolean(default=False)
    identity_id = Id("identity", required=False)
    identifier_keys = StrictList(
        child=StrictString(), default=list, help_text="Keys of identities; one has to be attached."
    )
    label_search = StrictString(required=False)
    value_search = StrictString(required=False)
    description_search = StrictString(required=False)
    connected_to_agents_count_eq = StrictList(child=StrictInteger(min_value=0), default=list)
    connected_to_agents_count_gt = StrictInteger(required=False)
    connected_to_agents_count_lt = StrictInteger(required=False)
    show_hidden_blocks = StrictBoolean(default=False)
    include_isolated = StrictBoolean(
        default=False, help_text="Include the isolated blocks of conversations."
    )


class ListBlocksQuery(CountBlocksQuery, PageQuery):
    """The query of GET /v1/blocks/."""

    order = StrictChoice(["asc", "desc"], default="asc")


class AttachedBlocksQuery(PageQuery):
    """The query of an agent's blocks, which are listed in prompt order."""

    limit = StrictInteger(default=100, min_value=1, max_value=1000)
