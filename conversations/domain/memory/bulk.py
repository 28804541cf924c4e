"""Reset or rebase one label in many conversations of an agent."""

from collections.abc import Callable, Collection, Iterator
from typing import Literal, NamedTuple

from ...models import Agent, AgentBlock, Block, IsolatedBlock
from ...models.conversations import IsolatedBlockQuerySet
from ..actor import Actor, Source
from ..batches import in_batches
from ..errors import DomainError, UnknownLabels
from .blocks import BlockFields, check_text, lock_blocks, write_locked_blocks
from .drift import Comparison, MergeConflict, merge, reset_fields
from .writes import memory_write

BATCH_SIZE = 200


class BulkOutcome(NamedTuple):
    """The result for one conversation, or the expected one in a dry run."""

    conversation_id: str
    outcome: Literal["applied", "unchanged", "conflict", "skipped"]
    detail: str = ""


class BulkOperation(NamedTuple):
    """What to write to the isolated blocks of a label, and to which of them.

    Without `drifts`, to all of them.
    """

    label: str
    fields: Callable[[Comparison], BlockFields]
    by: Actor
    dry_run: bool
    drifts: Collection[str]


def reset_all(
    agent: Agent,
    label: str,
    *,
    by: Actor,
    conversation_ids: Collection[str] | None = None,
    drifts: Collection[str] = (),
    dry_run: bool = False,
) -> Iterator[BulkOutcome]:
    """Reset a label in the agent's live conversations that isolated it.

    `conversation_ids` and `drifts` restrict which. Each batch is one transaction: after an
    interruption, the next call does the rest.
    """
    by = by._replace(source=Source.RESET)
    operation = BulkOperation(label, reset_fields, by, dry_run, drifts)
    return _run(agent, operation, conversation_ids)


def rebase_all(
    agent: Agent,
    label: str,
    *,
    by: Actor,
    conversation_ids: Collection[str] | None = None,
    drifts: Collection[str] = (),
    dry_run: bool = False,
) -> Iterator[BulkOutcome]:
    """Rebase a label where `reset_all` would reset it; a merge conflict writes nothing there."""
    by = by._replace(source=Source.REBASE)
    operation = BulkOperation(label, lambda c: {"value": merge(c)}, by, dry_run, drifts)
    return _run(agent, operation, conversation_ids)


def isolations_of(agent: Agent, label: str) -> IsolatedBlockQuerySet:
    """Return the isolated blocks of a label in the agent's live conversations.

    Raises UnknownLabels if neither the agent nor any of them has the label.
    """
    isolations = IsolatedBlock.objects.filter(
        conversation__agent=agent, conversation__deleted_at=None
    ).of_label(label)
    labels = sorted(agent.block_links.values_list("label", flat=True))
    if label not in labels and not isolations.exists():
        raise UnknownLabels(agent.pk, [label], labels)
    return isolations


def _run(
    agent: Agent, operation: BulkOperation, conversation_ids: Collection[str] | None
) -> Iterator[BulkOutcome]:
    isolations = isolations_of(agent, operation.label)
    if operation.drifts:
        isolations = isolations.of_drifts(operation.drifts)
    if conversation_ids is not None:
        isolations = isolations.filter(conversation__in=conversation_ids)
    missing = dict.fromkeys(conversation_ids or ())
    for batch in in_batches(isolations, BATCH_SIZE):
        for outcome in _run_batch(agent, batch, operation):
            missing.pop(outcome.conversation_id, None)
            yield outcome
    which = f" with drift {', '.join(operation.drifts)}" if operation.drifts else ""
    reason = f"no live conversation of agent '{agent.pk}' has this id and isolated"
    for conversation_id in missing:
        yield BulkOutcome(conversation_id, "skipped", f"{reason} {operation.label!r}{which}")


@memory_write
def _run_batch(
    agent: Agent, isolations: list[IsolatedBlock], operation: BulkOperation
) -> list[BulkOutcome]:
    shared = _shared_block(agent, operation.label)
    rows = IsolatedBlock.objects.filter(pk__in=[isolation.pk for isolation in isolations])
    if not operation.dry_run:
        isolated = list(Block.objects.filter(isolations__in=rows).only("pk"))
        lock_blocks([*isolated, *([shared] if shared else [])])
        list(rows.select_for_update(no_key=True).order_by("pk"))
        # Read again: the rows may have changed while waiting for the locks.
        shared = _shared_block(agent, operation.label)
    outcomes: list[BulkOutcome] = []
    writes: list[tuple[Block, BlockFields]] = []
    rebased: list[IsolatedBlock] = []
    for isolation in rows.select_related("block").order_by("pk"):
        outcome, fields = _outcome(Comparison(isolation, shared), operation)
        outcomes.append(outcome)
        if outcome.outcome == "applied" and shared is not None:
            writes.append((isolation.block, fields))
            isolation.base_value, isolation.base_version = shared.value, shared.version
            isolation.source_block = shared
            rebased.append(isolation)
    if writes and shared is not None and not operation.dry_run:
        write_locked_blocks(writes, by=operation.by, base_version=shared.version)
        IsolatedBlock.objects.bulk_update(rebased, ["base_value", "base_version", "source_block"])
    return outcomes


def _outcome(comparison: Comparison, operation: BulkOperation) -> tuple[BulkOutcome, BlockFields]:
    isolation, shared = comparison.isolation, comparison.shared
    conversation_id = isolation.conversation_id
    drift = comparison.effective.drift
    if operation.drifts and drift not in operation.drifts:
        return BulkOutcome(conversation_id, "skipped", f"its drift is now {drift}"), {}
    try:
        fields = operation.fields(comparison)
        check_text(isolation.block, fields)
    except MergeConflict as error:
        return BulkOutcome(conversation_id, "conflict", str(error)), {}
    except DomainError as error:
        return BulkOutcome(conversation_id, "skipped", str(error)), {}
    is_same = all(getattr(isolation.block, name) == value for name, value in fields.items())
    base = (isolation.source_block_id, isolation.base_version)
    if is_same and shared is not None and base == (shared.pk, shared.version):
        return BulkOutcome(conversation_id, "unchanged"), {}
    return BulkOutcome(conversation_id, "applied", drift or ""), fields


def _shared_block(agent: Agent, label: str) -> Block | None:
    link = AgentBlock.objects.filter(agent=agent, label=label).select_related("block").first()
    return link.block if link else None
