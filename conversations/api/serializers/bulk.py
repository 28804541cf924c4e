from collections import Counter
from collections.abc import Iterable

from rest_framework import serializers

from ...domain.memory.bulk import Outcome
from ...models import Drift
from .fields import Choice, Flag, Id, Listed

OUTCOMES = ["applied", "unchanged", "conflict", "skipped"]


class BulkBody(serializers.Serializer):
    """Which conversations of the agent: all that isolated the label, unless these are named."""

    conversation_ids = Listed(child=Id("conv"), required=False, allow_null=True)
    drift = Listed(child=Choice(Drift.values), required=False)
    dry_run = Flag(default=False)

    def to_internal_value(self, data):
        # One drift may stand for a list of one.
        if isinstance(data.get("drift"), str):
            data = {**data, "drift": [data["drift"]]}
        return super().to_internal_value(data)


class OutcomeSerializer(serializers.Serializer):
    conversation_id = serializers.CharField()
    outcome = serializers.ChoiceField(OUTCOMES)
    detail = serializers.CharField()


class BulkSerializer(serializers.Serializer):
    """A line for each conversation, and how many there are of each outcome."""

    label = serializers.CharField()  # type: ignore[assignment]
    dry_run = serializers.BooleanField()
    counts = serializers.DictField(child=serializers.IntegerField())
    results = OutcomeSerializer(many=True)


def represent_outcomes(label: str, outcomes: Iterable[Outcome], *, dry_run: bool) -> dict:
    results = [outcome._asdict() for outcome in outcomes]
    counts = Counter(result["outcome"] for result in results)
    return {"label": label, "dry_run": dry_run, "counts": counts, "results": results}
