from datetime import datetime

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive
from rest_framework import serializers

from ...ids import is_id
from ...models import BlockRevision
from .fields import Choice, Id, Text, WholeNumber


class ListRevisionsQuery(serializers.Serializer):
    """The query of a block's history, which is listed newest first."""

    before = WholeNumber(
        required=False, min_value=1, help_text="The number that the page ends before: newer ones."
    )
    after = WholeNumber(
        required=False, min_value=1, help_text="The number that the page begins after: older ones."
    )
    limit = WholeNumber(default=50, min_value=1, max_value=1000)
    source = Choice(BlockRevision.Source.values, required=False)  # type: ignore[assignment]
    written_by_id = Id("user", required=False)


class ChangeQuery(serializers.Serializer):
    """Two revisions; without them, the newest one and the one before it."""

    older = WholeNumber(required=False, min_value=1)
    newer = WholeNumber(required=False, min_value=1)


class ReasonBody(serializers.Serializer):
    reason = Text(required=False, default="", help_text="Kept with the revision.")


class RestoreRevisionBody(ReasonBody):
    number = WholeNumber(min_value=1, help_text="The revision whose state to take.")


class MessageOrMoment(Text):
    """A message's id, or a time in ISO 8601 with its zone."""

    def to_internal_value(self, data) -> str | datetime:
        text = super().to_internal_value(data)
        if is_id("message", text):
            return text
        try:
            # In a query a plus is a space, unless it is escaped.
            moment = parse_datetime(text.replace(" ", "+"))
        except ValueError:
            moment = None
        if moment is None or is_naive(moment):
            raise serializers.ValidationError(
                "expected message-<uuid4> or a time with its zone like 2026-03-01T12:00:00Z, "
                f"got {text!r}"
            )
        return moment


class EffectiveBlocksQuery(serializers.Serializer):
    at = MessageOrMoment(
        required=False, help_text="What it read when this message was written, or at this time."
    )
