"""Queries of messages."""

from ..shapes.messages import MESSAGE_TYPES
from .fields import Id, QueryList, StrictBoolean, StrictChoice, StrictInteger, StrictString
from .pages import PageQuery


class ListMessagesQuery(PageQuery):
    """The query of every list of messages."""

    limit = StrictInteger(default=100, min_value=1, max_value=1000)
    include_return_message_types = QueryList(
        child=StrictChoice(MESSAGE_TYPES), default=list, help_text="Only messages of these types."
    )
    group_id = StrictString(required=False)
    include_err = StrictBoolean(
        required=False, help_text="False excludes messages of failed steps."
    )


class ConversationMessagesQuery(ListMessagesQuery):
    """The query of GET /v1/conversations/{id}/messages."""

    agent_id = Id("agent", required=False)


class MessagesQuery(ListMessagesQuery):
    """The query of the other lists of messages."""

    conversation_id = StrictString(
        required=False, help_text="`conv-…`, or `default` for the default conversation."
    )
