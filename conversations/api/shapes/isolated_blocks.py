"""JSON of effective and isolated blocks, and of bulk operations on them."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from typing_extensions import TypedDict

from ...domain.diffs import DiffPart
from ...domain.memory.bulk import BulkOutcome
from ...domain.memory.drift import Comparison, Promotion
from ...domain.memory.effective import EffectiveBlock
from ...domain.memory.periods import PastBlock
from ...models import Block
from .blocks import BlockJSON, block_json
from .fields import DriftName, EmptyList


class EffectiveBlockJSON(TypedDict):
    """The block in force for one label of a conversation, and where it comes from."""

    label: str
    origin: Literal["shared", "isolated"]
    block: BlockJSON
    version: int
    shared_block_id: str | None
    drift: DriftName | None


class BaseJSON(TypedDict):
    """The shared text at the time of isolation or of the last rebase."""

    value: str
    version: int


class SideJSON(BaseJSON):
    """The present text of one of the two blocks."""

    block_id: str


class DiffPartJSON(TypedDict):
    """A part of a diff."""

    change: Literal["same", "added", "removed"]
    text: str


class ChangesJSON(TypedDict):
    """How each text differs from the base."""

    isolated: list[DiffPartJSON]
    shared: list[DiffPartJSON]


class ComparisonJSON(TypedDict):
    """Base, shared and isolated text of one label."""

    label: str
    drift: DriftName | None
    base: BaseJSON
    shared: SideJSON | None
    isolated: SideJSON
    unified: str
    changes: ChangesJSON


class PromotionJSON(TypedDict):
    """The shared block after promoting, and how many live agents and conversations use it."""

    label: str
    dry_run: bool
    applied: bool
    block: BlockJSON
    agents: int
    conversations: int


class RebaseJSON(TypedDict):
    """The isolated block after rebasing. Conflicts are listed in a 409 instead."""

    label: str
    applied: bool
    block: BlockJSON
    conflicts: EmptyList


def effective_block_json(effective: EffectiveBlock | PastBlock) -> EffectiveBlockJSON:
    """Return the JSON of an effective block."""
    return {
        "label": effective.label,
        "origin": effective.origin,
        "block": block_json(effective.block),
        "version": effective.version,
        "shared_block_id": effective.shared.pk if effective.shared else None,
        "drift": effective.drift,
    }


def comparison_json(comparison: Comparison) -> ComparisonJSON:
    """Return the JSON of a three-way comparison."""
    isolation, shared = comparison.isolation, comparison.shared
    return {
        "label": isolation.label,
        "drift": comparison.effective.drift,
        "base": {"value": isolation.base_value, "version": isolation.base_version},
        "shared": _side_json(shared) if shared else None,
        "isolated": _side_json(isolation.block),
        "unified": comparison.unified,
        "changes": {
            "isolated": diff_json(comparison.isolated_changes),
            "shared": diff_json(comparison.shared_changes),
        },
    }


def diff_json(parts: list[DiffPart]) -> list[DiffPartJSON]:
    """Return the JSON of a diff."""
    return [{"change": part.change, "text": part.text} for part in parts]


def _side_json(block: Block) -> SideJSON:
    return {"block_id": block.pk, "value": block.value, "version": block.version}


def promotion_json(promotion: Promotion, *, dry_run: bool) -> PromotionJSON:
    """Return the JSON of a promotion."""
    return {
        "label": promotion.block.label,
        "dry_run": dry_run,
        "applied": promotion.applied and not dry_run,
        "block": block_json(promotion.block),
        "agents": promotion.agents,
        "conversations": promotion.conversations,
    }


def rebase_json(effective: EffectiveBlock, *, dry_run: bool) -> RebaseJSON:
    """Return the JSON of a rebase without conflicts."""
    return {
        "label": effective.label,
        "applied": not dry_run,
        "block": block_json(effective.block),
        "conflicts": [],
    }


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


def bulk_json(label: str, outcomes: Iterable[BulkOutcome], *, dry_run: bool) -> BulkJSON:
    """Return the JSON of a bulk operation, which runs while `outcomes` is read."""
    results: list[OutcomeJSON] = [
        {"conversation_id": o.conversation_id, "outcome": o.outcome, "detail": o.detail}
        for o in outcomes
    ]
    counts = Counter[str](result["outcome"] for result in results)
    return {"label": label, "dry_run": dry_run, "counts": dict(counts), "results": results}
