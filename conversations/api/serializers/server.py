from rest_framework import serializers

from .fields import Choice, Text, WholeNumber


class TagsQuery(serializers.Serializer):
    """The query of GET /v1/tags/; here a cursor is a tag."""

    before = Text(required=False)
    after = Text(required=False)
    limit = WholeNumber(default=50, min_value=1, max_value=1000)
    order = Choice(["asc", "desc"], default="asc")
    order_by = Choice(["name"], default="name")
    name = Text(required=False, help_text="Part of the tag, in any case.")
    query_text = Text(required=False, help_text="The older name of `name`.")
