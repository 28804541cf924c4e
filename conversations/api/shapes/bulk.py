"""JSON of bulk operations on one label."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from typing_extensions import TypedDict

from ...domain.memory.bulk import Outcome


class OutcomeJSON(TypedDict):
    """What happened, or with a dry run would happen, to one conversation."""

    conversation_id: str
    outcome: Literal["applied", "unchanged", "conflict", "skipped"]
    detail: str


class BulkJSON(TypedDict):
    """The outcome for each conversation, and the number of conversations per outcome."""

    label: str
    dry_run: bool
    counts: dict[str, int]
    results: list[OutcomeJSON]


def bulk_json(label: str, outcomes: Iterable[Outcome], *, dry_run: bool) -> BulkJSON:
    """Return the JSON of a bulk operation, which runs while `outcomes` is read."""
    results: list[OutcomeJSON] = [
        {"conversation_id": o.conversation_id, "outcome": o.outcome, "detail": o.detail}
        for o in outcomes
    ]
    counts = Counter[str](result["outcome"] for result in results)
    return {"label": label, "dry_run": dry_run, "counts": dict(counts), "results": results}
