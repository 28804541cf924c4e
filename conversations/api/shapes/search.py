"""JSON of search results."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ...models import ConversationMessage, Message
from .messages import MessageType, message_json


class FoundMessageJSON(TypedDict):
    """A message that matches a search, as the client's `MessageSearchResponse` reads it."""

    message_id: str
    message_type: MessageType
    content: str
    agent_id: str
    conversation_id: Annotated[str, Field(description="The first conversation that contains it.")]
    created_at: datetime


def found_messages_json(messages: list[Message]) -> list[FoundMessageJSON]:
    """Return the JSON of found messages, in one query."""
    links = ConversationMessage.objects.filter(
        message__in=messages, conversation__deleted_at=None, conversation__agent__deleted_at=None
    ).order_by("-id")
    conversations = dict(links.values_list("message_id", "conversation_id"))
    found: list[FoundMessageJSON] = []
    for message in messages:
        for item in message_json(message):
            text = item.get("content") or item.get("summary") or item.get("tool_return")
            if text is None:
                continue
            found.append(
                {
                    "message_id": message.pk,
                    "message_type": item["message_type"],
                    "content": text,
                    "agent_id": message.agent_id,
                    "conversation_id": conversations[message.pk],
                    "created_at": message.created_at,
                }
            )
    return found
