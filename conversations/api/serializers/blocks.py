from rest_framework import serializers

from ..http.pagination import PageQuery
from .fields import Choice, Flag, JsonObject, Label, Listed, Repeated, Text, WholeNumber


class BlockBody(serializers.Serializer):
    """What may be said of a block. Null means "not said", as in V1, but for `description`."""

    value = Text(required=False, allow_null=True)
    limit = WholeNumber(required=False, allow_null=True, min_value=1)
    description = Text(required=False, allow_null=True)
    metadata = JsonObject(required=False, allow_null=True)
    read_only = Flag(required=False, allow_null=True)  # type: ignore[assignment]
    copy_on_write = Flag(
        required=False,
        allow_null=True,
        help_text="Conversations may edit it only in a copy of their own.",
    )
    hidden = Flag(required=False, allow_null=True)
    tags = Listed(child=Text(), required=False, allow_null=True)
    is_template = Flag(required=False, allow_null=True)
    template_name = Text(required=False, allow_null=True, max_length=200)
    project_id = Text(required=False, allow_null=True, max_length=200)

    def validate(self, fields):
        return {
            name: value
            for name, value in fields.items()
            if value is not None or name == "description"
        }


class CreateBlockBody(BlockBody):
    """A new block."""

    label = Label()


class UpdateBlockBody(BlockBody):
    """A change of a block; what is not named stays. `description: null` clears it."""

    label = Label(required=False, allow_null=True)


class BlockFilters(serializers.Serializer):
    """What the list and the count of blocks filter by."""

    label = Label(required=False)
    name = Text(required=False, help_text="The template's name.")
    project_id = Text(required=False)
    templates_only = Flag(default=False)
    tags = Repeated(child=Text(), default=list)
    match_all_tags = Flag(default=False)
    identity_id = Text(required=False, help_text="Identities are not kept: matches no block.")
    identifier_keys = Repeated(child=Text(), default=list, help_text="As `identity_id`.")
    label_search = Text(required=False)
    value_search = Text(required=False)
    description_search = Text(required=False)
    connected_to_agents_count_eq = Repeated(child=WholeNumber(min_value=0), default=list)
    connected_to_agents_count_gt = WholeNumber(required=False)
    connected_to_agents_count_lt = WholeNumber(required=False)
    show_hidden_blocks = Flag(default=False)
    include_isolated = Flag(default=False, help_text="Also list blocks isolated in conversations.")


class ListBlocksQuery(BlockFilters, PageQuery):
    """The query of GET /v1/blocks/."""

    order = Choice(["asc", "desc"], default="asc")


class AttachedBlocksQuery(PageQuery):
    """The query of an agent's blocks, which are listed by their place in the prompt."""

    limit = WholeNumber(default=100, min_value=1, max_value=1000)
