from ..http.pagination import PageQuery
from ..shapes.messages import MESSAGE_TYPES
from .fields import Choice, Flag, Id, Repeated, Text, WholeNumber


class ListMessagesQuery(PageQuery):
    """What every list of messages takes."""

    limit = WholeNumber(default=100, min_value=1, max_value=1000)
    include_return_message_types = Repeated(
        child=Choice(MESSAGE_TYPES), default=list, help_text="Only messages of these types."
    )
    group_id = Text(required=False)
    include_err = Flag(required=False, help_text="False leaves out messages of failed steps.")


class ConversationMessagesQuery(ListMessagesQuery):
    """The query of GET /v1/conversations/{id}/messages."""

    agent_id = Id("agent", required=False)


class MessagesQuery(ListMessagesQuery):
    """The query of the other lists of messages."""

    conversation_id = Text(
        required=False, help_text="`conv-…`, or `default` for the agent's own thread."
    )
