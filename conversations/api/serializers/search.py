"""Searching messages."""

from rest_framework import serializers

from ...models import Message
from .fields import Choice, Id, Listed, Text, Timestamp, WholeNumber


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
