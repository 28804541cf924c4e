"""Request bodies and queries of revisions."""

from datetime import UTC
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive
from rest_framework import serializers

from ...ids import is_id
from ...models import BlockRevision
from .fields import Id, Input, StrictChoice, StrictInteger, StrictString


class ListRevisionsQuery(Input):
    """The query of a block's revisions, newest first."""

    before = StrictInteger(
        required=False,
        min_value=1,
        help_text="Number of the revision that follows the page: newer ones.",
    )
    after = StrictInteger(
        required=False,
        min_value=1,
        help_text="Number of the revision that precedes the page: older ones.",
    )
    limit = StrictInteger(default=50, min_value=1, max_value=1000)
    source = StrictChoice(BlockRevision.Source.values, required=False)  # type: ignore[assignment]
    written_by_id = Id("user", required=False)


class ChangeQuery(Input):
    """Two revisions to compare: by default the newest and the one before it."""

    older = StrictInteger(required=False, min_value=1)
    newer = StrictInteger(required=False, min_value=1)


class ReasonBody(Input):
    """The body of an undo or redo."""

    reason = StrictString(required=False, default="", help_text="Stored with the revision.")


class RestoreRevisionBody(ReasonBody):
    """The body of POST /v1/blocks/{id}/restore."""

    number = StrictInteger(min_value=1, help_text="Number of the revision to restore.")


class MessageIdOrTime(StrictString):
    """A message's id, or a time in ISO 8601 with its offset: a string or a datetime."""

    def to_internal_value(self, data: Any) -> Any:
        text: str = super().to_internal_value(data)
        if is_id("message", text):
            return text
        try:
            # An unescaped plus in a query means a space.
            time = parse_datetime(text.replace(" ", "+"))
            if time is not None and not is_naive(time):
                return time.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise serializers.ValidationError(
            "expected message-<uuid4> or a time with its zone like 2026-03-01T12:00:00Z, "
            f"got {text!r}"
        )


class EffectiveBlocksQuery(Input):
    """The query of GET /v1/conversations/{id}/blocks."""

    at = MessageIdOrTime(
        required=False,
        help_text="The blocks as they were when this message was written, or at this time.",
    )
