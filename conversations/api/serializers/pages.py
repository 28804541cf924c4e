"""Query parameters of pages."""

from .fields import Input, StrictChoice, StrictInteger, StrictString


class PageQuery(Input):
    """The parameters that every list takes."""

    before = StrictString(required=False, help_text="Id of the row that follows the page.")
    after = StrictString(required=False, help_text="Id of the row that precedes the page.")
    limit = StrictInteger(default=50, min_value=1, max_value=1000)
    order = StrictChoice(["asc", "desc"], default="desc")
    order_by = StrictChoice(["created_at"], default="created_at")
