"""Resetting or rebasing one label in many conversations of an agent."""

from collections.abc import Callable, Collection, Iterator
from typing import Literal, NamedTuple

from django.db import transaction

from ...models import Agent, AgentBlock, Block, IsolatedBlock
from ...models.conversations import IsolatedBlockQuerySet
from ..actor import Actor, Source
from ..batches import in_batches
from ..errors import DomainError, UnknownLabels
from .blocks import BlockFields, check_text, lock_blocks, write_locked_blocks
from .drift import Comparison, MergeConflict, merge, text_of

BATCH = 200


class Outcome(NamedTuple):
    """What became of one conversation, or with a dry run would."""

    conversation_id: str
    outcome: Literal["applied", "unchanged", "conflict", "skipped"]
    detail: str = ""


class Wish(NamedTuple):
    """Which conversations of an agent to bring together with its block, and how."""

    label: str
    source: Source
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
) -> Iterator[Outcome]:
    """`reset` in the live conversations that isolated the label: in those of these ids, and of
    these drifts, if there are any. Each batch is a transaction, so an interrupted call has done a
    part of the work, and the next one does the rest."""
    wish = Wish(label, Source.RESET, text_of, by, dry_run, drifts)
    return _each(agent, wish, conversation_ids)


def rebase_all(
    agent: Agent,
    label: str,
    *,
    by: Actor,
    conversation_ids: Collection[str] | None = None,
    drifts: Collection[str] = (),
    dry_run: bool = False,
) -> Iterator[Outcome]:
    """`rebase` as `reset_all` resets; where both sides changed the same lines, a conflict is
    reported and nothing is written."""
    wish = Wish(label, Source.REBASE, lambda c: {"value": merge(c)}, by, dry_run, drifts)
    return _each(agent, wish, conversation_ids)


def isolations_of(agent: Agent, label: str) -> IsolatedBlockQuerySet:
    """The isolated blocks of a label in the agent's live conversations; UnknownLabels if neither
    the agent nor any of them has it."""
    isolations = IsolatedBlock.objects.filter(
        conversation__agent=agent, conversation__deleted_at=None
    ).of_label(label)
    labels = sorted(agent.block_links.values_list("label", flat=True))
    if label not in labels and not isolations.exists():
        raise UnknownLabels(agent.pk, [label], labels)
    return isolations


def _each(agent: Agent, wish: Wish, ids: Collection[str] | None) -> Iterator[Outcome]:
    isolations = isolations_of(agent, wish.label)
    if wish.drifts:
        isolations = isolations.of_drifts(wish.drifts)
    if ids is not None:
        isolations = isolations.filter(conversation__in=ids)
    missing = dict.fromkeys(ids or ())
    for batch in in_batches(isolations, BATCH):
        for outcome in _batch(agent, batch, wish):
            missing.pop(outcome.conversation_id, None)
            yield outcome
    which = f" with drift {', '.join(wish.drifts)}" if wish.drifts else ""
    for conversation_id in missing:
        reason = f"no live conversation of agent '{agent.pk}' has this id and isolated"
        yield Outcome(conversation_id, "skipped", f"{reason} {wish.label!r}{which}")


@transaction.atomic
def _batch(agent: Agent, isolations: list[IsolatedBlock], wish: Wish) -> list[Outcome]:
    shared = _shared(agent, wish.label)
    rows = IsolatedBlock.objects.filter(pk__in=[isolation.pk for isolation in isolations])
    if not wish.dry_run:
        own = list(Block.objects.filter(isolations__in=rows).only("pk"))
        lock_blocks([*own, *([shared] if shared else [])])
        list(rows.select_for_update(no_key=True).order_by("pk"))
        # Read again: what was read before the locks may have changed while waiting for them.
        shared = _shared(agent, wish.label)
    outcomes, writes, moved = [], [], []
    for isolation in rows.select_related("block").order_by("pk"):
        outcome, fields = _outcome(Comparison(isolation, shared), wish)
        outcomes.append(outcome)
        if outcome.outcome == "applied" and shared is not None:
            writes.append((isolation.block, fields))
            isolation.base_value, isolation.base_version = shared.value, shared.version
            isolation.source_block = shared
            moved.append(isolation)
    if writes and shared is not None and not wish.dry_run:
        by = wish.by._replace(source=wish.source)
        write_locked_blocks(writes, by=by, base_version=shared.version)
        IsolatedBlock.objects.bulk_update(moved, ["base_value", "base_version", "source_block"])
    return outcomes


def _outcome(comparison: Comparison, wish: Wish) -> tuple[Outcome, BlockFields]:
    isolation, shared = comparison.isolation, comparison.shared
    conversation_id = isolation.conversation_id
    drift = comparison.effective.drift
    if wish.drifts and drift not in wish.drifts:
        return Outcome(conversation_id, "skipped", f"its drift is {drift} by now"), {}
    try:
        fields = wish.fields(comparison)
        check_text(isolation.block, fields)
    except MergeConflict as error:
        return Outcome(conversation_id, "conflict", str(error)), {}
    except DomainError as error:
        return Outcome(conversation_id, "skipped", str(error)), {}
    stands = all(getattr(isolation.block, name) == value for name, value in fields.items())
    base = (isolation.source_block_id, isolation.base_version)
    if stands and shared is not None and base == (shared.pk, shared.version):
        return Outcome(conversation_id, "unchanged"), {}
    return Outcome(conversation_id, "applied", drift or ""), fields


def _shared(agent: Agent, label: str) -> Block | None:
    link = AgentBlock.objects.filter(agent=agent, label=label).select_related("block").first()
    return link.block if link else None
