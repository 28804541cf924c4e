from rest_framework import serializers

from ...models import Drift
from .fields import Choice, Flag, Id, Listed


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
