"""Finding messages by their words."""

from django.db.models import QuerySet

from ...models import Conversation, Message
from ...text import is_storable
from ..errors import InvalidValue

MAX_QUERY_LENGTH = 1_000

# The system message repeats memory, and what tools answered repeats what was said.
SPOKEN = (Message.Role.USER, Message.Role.ASSISTANT, Message.Role.SUMMARY)


def search_messages(messages: QuerySet[Message], query: str) -> QuerySet[Message]:
    """Those of `messages` that contain all the words, newest first."""
    if len(query) > MAX_QUERY_LENGTH:
        # Databases take only so many conditions.
        raise InvalidValue("query", f"expected at most {MAX_QUERY_LENGTH} characters")
    if not query.split() or not is_storable(query):
        return messages.none()
    return messages.filter(content__has_words=query).order_by("-created_at", "-id")


def search_conversation(conversation: Conversation, query: str) -> QuerySet[Message]:
    spoken = Message.objects.filter(conversations=conversation, role__in=SPOKEN)
    return search_messages(spoken, query)
