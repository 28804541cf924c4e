"""Request bodies and queries of blocks."""

from typing import Any

from .fields import (
    OPTIONAL,
    Input,
    Label,
    QueryList,
    StrictBoolean,
    StrictChoice,
    StrictInteger,
    StrictList,
    StrictObject,
    StrictString,
)
from .pages import PageQuery

# `type: ignore[assignment]` below: DRF takes declared fields off the class, so that `label` and
# `read_only` do not hide its own attributes of these names.


def without_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    """Drop the fields that are null, which means absent in V1, except for `description`."""
    return {
        name: value for name, value in fields.items() if value is not None or name == "description"
    }


class BlockBody(Input):
    """The fields of a block. Null means absent, except for `description`."""

    value = StrictString(**OPTIONAL)
    limit = StrictInteger(**OPTIONAL, min_value=1)
    description = StrictString(**OPTIONAL)
    metadata = StrictObject(**OPTIONAL)
    read_only = StrictBoolean(**OPTIONAL)  # type: ignore[assignment]
    copy_on_write = StrictBoolean(
        **OPTIONAL,
        help_text="The first edit from a conversation isolates the label there.",
    )
    hidden = StrictBoolean(**OPTIONAL)
    tags = StrictList(child=StrictString(), **OPTIONAL)
    is_template = StrictBoolean(**OPTIONAL)
    template_name = StrictString(**OPTIONAL, max_length=200)
    project_id = StrictString(**OPTIONAL, max_length=200)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return without_nulls(attrs)


class CreateBlockBody(BlockBody):
    """The body of POST /v1/blocks/."""

    label = Label()  # type: ignore[assignment]


class UpdateBlockBody(BlockBody):
    """The body of a PATCH of a block; absent fields keep their values."""

    label = Label(**OPTIONAL)  # type: ignore[assignment]


class BlockFilters(Input):
    """The filters of the list and the count of blocks."""

    label = Label(required=False)  # type: ignore[assignment]
    name = StrictString(required=False, help_text="Template name.")
    project_id = StrictString(required=False)
    templates_only = StrictBoolean(default=False)
    tags = QueryList(child=StrictString(), default=list)
    match_all_tags = StrictBoolean(default=False)
    identity_id = StrictString(required=False, help_text="Not supported: matches no block.")
    identifier_keys = QueryList(
        child=StrictString(), default=list, help_text="Not supported: matches no block."
    )
    label_search = StrictString(required=False)
    value_search = StrictString(required=False)
    description_search = StrictString(required=False)
    connected_to_agents_count_eq = QueryList(child=StrictInteger(min_value=0), default=list)
    connected_to_agents_count_gt = StrictInteger(required=False)
    connected_to_agents_count_lt = StrictInteger(required=False)
    show_hidden_blocks = StrictBoolean(default=False)
    include_isolated = StrictBoolean(
        default=False, help_text="Include the isolated blocks of conversations."
    )


class ListBlocksQuery(BlockFilters, PageQuery):
    """The query of GET /v1/blocks/."""

    order = StrictChoice(["asc", "desc"], default="asc")


class AttachedBlocksQuery(PageQuery):
    """The query of an agent's blocks, which are listed in prompt order."""

    limit = StrictInteger(default=100, min_value=1, max_value=1000)
