"""Search messages by their words."""

from django.db.models import QuerySet

from ...models import Conversation, Message
from ...text import is_storable
from ..errors import InvalidValue

MAX_QUERY_LENGTH = 1_000

# System messages and tool returns repeat memory and other messages.
SEARCHED_ROLES = (Message.Role.USER, Message.Role.ASSISTANT, Message.Role.SUMMARY)


def search_messages(messages: QuerySet[Message], query: str) -> QuerySet[Message]:
    """Return those that contain all the words of a query, newest first."""
    if len(query) > MAX_QUERY_LENGTH:
        # Each word is a condition on SQLite, which has a maximum.
        raise InvalidValue("query", f"expected at most {MAX_QUERY_LENGTH} characters")
    if not query.split() or not is_storable(query):
        return messages.none()
    return messages.filter(content__has_words=query).order_by("-created_at", "-id")


def search_conversation(conversation: Conversation, query: str) -> QuerySet[Message]:
    """Return the messages of users, assistants and summaries that contain all the words."""
    messages = Message.objects.filter(conversations=conversation, role__in=SEARCHED_ROLES)
    return search_messages(messages, query)
