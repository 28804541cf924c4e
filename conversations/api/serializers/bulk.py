"""Request bodies of bulk operations."""

from typing import Any

from ...models import Drift
from .fields import OPTIONAL, Id, Input, StrictBoolean, StrictChoice, StrictList


class BulkBody(Input):
    """The conversations of the agent to change: by default all that isolate the label."""

    conversation_ids = StrictList(child=Id("conv"), max_length=1_000, **OPTIONAL)
    drift = StrictList(child=StrictChoice(Drift.values), required=False)
    dry_run = StrictBoolean(default=False)

    def to_internal_value(self, data: Any) -> Any:
        # A single drift is accepted instead of a list.
        if isinstance(data.get("drift"), str):
            data = {**data, "drift": [data["drift"]]}
        return super().to_internal_value(data)
