"""Request bodies of searches."""

from ...models import Message
from .fields import (
    OPTIONAL,
    Id,
    Input,
    StrictChoice,
    StrictDateTime,
    StrictInteger,
    StrictList,
    StrictString,
)


class SearchBody(Input):
    """The body of POST /v1/messages/search."""

    query = StrictString(help_text="Words that must all occur, in any order and case.")
    agent_id = Id("agent", **OPTIONAL)
    conversation_id = StrictString(**OPTIONAL, help_text="`conv-…`, or `default` with `agent_id`.")
    roles = StrictList(child=StrictChoice(Message.Role.values), **OPTIONAL)
    limit = StrictInteger(default=50, min_value=1, max_value=100)
    search_mode = StrictChoice(["vector", "fts", "hybrid"], **OPTIONAL)
    start_date = StrictDateTime(**OPTIONAL)
    end_date = StrictDateTime(**OPTIONAL)
