"""Request bodies and queries of messages and searches."""

from ...models import Message
from ..shapes.messages import MESSAGE_TYPES
from .fields import (
    OPTIONAL,
    Id,
    Input,
    PageQuery,
    StrictBoolean,
    StrictChoice,
    StrictDateTime,
    StrictInteger,
    StrictList,
    StrictString,
)


class ListMessagesQuery(PageQuery):
    """The query of every list of messages."""

    limit = StrictInteger(default=100, min_value=1, max_value=1000)
    include_return_message_types = StrictList(
        child=StrictChoice(MESSAGE_TYPES), default=list, help_text="Only messages of these types."
    )
    group_id = StrictString(required=False)
    include_err = StrictBoolean(
        required=False, help_text="False excludes messages of failed steps."
    )


class ConversationMessagesQuery(ListMessagesQuery):
    """The query of GET /v1/conversations/{id}/messages."""

    agent_id = Id("agent", required=False)


class RunMessagesQuery(ListMessagesQuery):
    """The query of the messages of a run or step, which are oldest first by default."""

    order = StrictChoice(["asc", "desc"], default="asc")


class MessagesQuery(ListMessagesQuery):
    """The query of the other lists of messages."""

    conversation_id = StrictString(
        required=False, help_text="`conv-…`, or `default` for the default conversation."
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
