"""Request bodies of isolated blocks, of one conversation or many."""

from typing import Any

from ...models import Drift
from .fields import OPTIONAL, Id, Input, StrictBoolean, StrictChoice, StrictList, StrictString


class IsolateBody(Input):
    """The body of PUT …/isolated-blocks/{label}."""

    value = StrictString(required=False, help_text="Initial text; by default the shared text.")


class RestoreIsolatedBlockBody(Input):
    """The body of POST …/isolated-blocks/{label}/restore."""

    block_id = Id(
        "block", required=False, help_text="The released block to restore; by default the newest."
    )


class ResetBody(Input):
    """The body of POST …/isolated-blocks/{label}/reset."""

    dry_run = StrictBoolean(default=False)


class PromoteBody(ResetBody):
    """The body of POST …/isolated-blocks/{label}/promote."""

    force = StrictBoolean(default=False, help_text="Overwrite changes to the shared block.")


class RebaseBody(ResetBody):
    """The body of POST …/isolated-blocks/{label}/rebase."""

    resolution = StrictString(
        required=False, help_text="Text of the isolated block, instead of a merge."
    )


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
