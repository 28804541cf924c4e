"""Queries about the server."""

from .fields import Input, StrictChoice, StrictInteger, StrictString


class TagsQuery(Input):
    """The query of GET /v1/tags/, whose cursors are tags."""

    before = StrictString(required=False)
    after = StrictString(required=False)
    limit = StrictInteger(default=50, min_value=1, max_value=1000)
    order = StrictChoice(["asc", "desc"], default="asc")
    order_by = StrictChoice(["name"], default="name")
    name = StrictString(required=False, help_text="Part of the tag, ignoring case.")
    query_text = StrictString(required=False, help_text="Older name of `name`.")
