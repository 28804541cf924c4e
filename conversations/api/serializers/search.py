"""Searching messages."""

from rest_framework import serializers

from ...models import ConversationMessage, Message
from .fields import Choice, Id, Listed, Text, Timestamp, WholeNumber
from .messages import represent_message


class SearchBody(serializers.Serializer):
    """The body of POST /v1/messages/search."""

    query = Text(help_text="Words that all occur, in any order and case.")
    agent_id = Id("agent", required=False, allow_null=True)
    conversation_id = Text(
        required=False, allow_null=True, help_text="`conv-…`, or `default` with `agent_id`."
    )
    roles = Listed(child=Choice(Message.Role.values), required=False, allow_null=True)
    limit = WholeNumber(default=50, min_value=1, max_value=100)
    search_mode = Choice(["vector", "fts", "hybrid"], required=False, allow_null=True)
    start_date = Timestamp(required=False, allow_null=True)
    end_date = Timestamp(required=False, allow_null=True)


class FoundMessageSerializer(serializers.Serializer):
    """A message that was found; `content`, or `reasoning` where that is what it holds."""

    message_id = serializers.CharField()
    message_type = serializers.CharField()
    content = serializers.CharField(required=False)
    agent_id = serializers.CharField()
    conversation_id = serializers.CharField(help_text="The first that holds it.")
    created_at = serializers.DateTimeField()


def represent_found(messages: list[Message]) -> list[dict]:
    """Messages as the client's `MessageSearchResponse` reads them; one query for all of them."""
    links = ConversationMessage.objects.filter(
        message__in=messages, conversation__deleted_at=None, conversation__agent__deleted_at=None
    ).order_by("-id")
    holders = dict(links.values_list("message_id", "conversation_id"))
    found = []
    for message in messages:
        for item in represent_message(message):
            text = item.get("content") or item.get("summary") or item.get("tool_return")
            if text is None:
                continue
            found.append(
                {
                    "message_id": message.pk,
                    "message_type": item["message_type"],
                    "content": text,
                    "agent_id": message.agent_id,
                    "conversation_id": holders[message.pk],
                    "created_at": message.created_at,
                }
            )
    return found
