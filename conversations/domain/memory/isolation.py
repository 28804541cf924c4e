"""Isolate labels in a conversation, release them, and restore released blocks."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction

from ...models import Agent, Block, BlockRevision, Conversation, IsolatedBlock, ReadingPeriod
from ..actor import Actor
from ..errors import Conflict, NotFound, NotIsolated, RepeatedLabels, UnknownLabels
from .blocks import (
    ISOLATED_FIELDS,
    check_version,
    insert_blocks,
    lock_block,
    lock_blocks,
    stale_version,
)
from .effective import EffectiveBlock, find_effective
from .periods import begin_periods, end_periods
from .writes import LabelChanged, retry_on_label_change


def blocks_to_isolate(agent: Agent, labels: Iterable[str], *, with_policy: bool) -> list[Block]:
    """Return the agent's blocks with these labels, then those that its policy isolates.

    A label of the policy that the agent has lost is skipped. Raises RepeatedLabels and
    UnknownLabels.
    """
    labels = list(labels)
    if repeated := [label for label, count in Counter(labels).items() if count > 1]:
        raise RepeatedLabels(repeated)
    shared = {link.label: link.block for link in agent.block_links.select_related("block")}
    if missing := [label for label in labels if label not in shared]:
        raise UnknownLabels(agent.pk, missing, sorted(shared))
    policy = agent.isolated_labels if with_policy else []
    return [shared[label] for label in dict.fromkeys([*labels, *policy]) if label in shared]


def isolate_blocks(
    conversation: Conversation,
    shared_blocks: list[Block],
    *,
    by: Actor,
    value: str | None = None,
    at: datetime | None = None,
) -> None:
    """Give a conversation its own copies of shared blocks, in force from now on or since `at`.

    It must not have isolated their labels. `value` replaces the shared text.
    """
    links = [isolated_copy(conversation, shared, by=by) for shared in shared_blocks]
    if value is not None:
        for link in links:
            link.block.value = value
    insert_isolated(links, by=by, reason="isolated", at=at)


def isolated_copy(conversation: Conversation, shared: Block, *, by: Actor) -> IsolatedBlock:
    """Return the unsaved link to an unsaved copy of a shared block, which is its base."""
    return IsolatedBlock(
        conversation=conversation,
        block=copy_into(conversation, shared, by=by),
        label=shared.label,
        source_block=shared,
        base_value=shared.value,
        base_version=shared.version,
    )


def insert_isolated(
    links: list[IsolatedBlock], *, by: Actor, reason: str, at: datetime | None = None
) -> None:
    """Insert links with their blocks; they are in force from now on or since `at`."""
    base_versions = [link.base_version for link in links]
    insert_blocks([link.block for link in links], by=by, reason=reason, base_versions=base_versions)
    begin_periods(IsolatedBlock.objects.bulk_create(links), by=by, at=at)


def copy_into(conversation: Conversation, block: Block, *, by: Actor) -> Block:
    """Return an unsaved copy of a block that belongs to the conversation."""
    return Block(
        organization_id=conversation.organization_id,
        conversation=conversation,
        created_by=by.member,
        last_updated_by=by.member,
        **{name: getattr(block, name) for name in ISOLATED_FIELDS},
    )


@retry_on_label_change
def isolate_label(
    conversation: Conversation,
    label: str,
    *,
    by: Actor,
    value: str | None = None,
    requires_absence: bool = False,
) -> EffectiveBlock:
    """Give a conversation its own copy of one label, with `value` or the shared text.

    If the label is isolated already, nothing changes; Conflict if it has another text than
    `value`, StaleVersion with `requires_absence`.
    """
    isolation = conversation.isolations.of_label(label).select_related("block").first()
    if isolation is not None and requires_absence:
        raise stale_version(isolation.block, None)
    if isolation is None:
        # The lock makes a second caller wait, and retry without this lock, which must not be held
        # when the isolated block is locked. Edits of the shared block from here wait as well.
        lock_blocks(blocks_to_isolate(conversation.agent, [label], with_policy=False))
        if conversation.isolations.of_label(label).exists():
            raise LabelChanged
        # Read the texts again: they may have changed while waiting for the lock.
        shared = blocks_to_isolate(conversation.agent, [label], with_policy=False)
        try:
            with transaction.atomic():
                isolate_blocks(conversation, shared, by=by, value=value)
        except IntegrityError as error:
            # The label was isolated meanwhile, or the agent's block was replaced.
            raise LabelChanged from error
    effective = _find_isolated(conversation, label)
    if value is not None and effective.block.value != value:
        raise Conflict(
            f"Conversation '{conversation.pk}' has isolated {label!r} already, with another text; "
            "edit that"
        )
    return effective


@retry_on_label_change
def release_label(
    conversation: Conversation, label: str, *, by: Actor, expected_version: int | None = None
) -> EffectiveBlock | None:
    """Drop the isolated block of a label, so that the conversation reads the shared one again.

    Return the shared one, or None when the agent has lost the label. The released block and its
    revisions stay with the conversation; `restore_label` puts it in force again.
    """
    isolation = conversation.isolations.of_label(label).select_related("block").first()
    if isolation is None:
        raise NotIsolated(conversation.pk, label)
    # Verbs on the isolated block hold this lock too, so they end before the release or retry.
    block = lock_block(isolation.block)
    released, _ = conversation.isolations.filter(block=block).delete()
    if not released:
        raise LabelChanged
    check_version(block, expected_version)
    end_periods(conversation.reading_periods.filter(label=label), by=by)
    return find_effective(conversation, label)


@retry_on_label_change
def restore_label(
    conversation: Conversation, label: str, *, by: Actor, block_id: str | None = None
) -> EffectiveBlock:
    """Put a released block of a label in force again: the newest one, or the one of this id.

    Its base is the shared revision that it was last isolated, reset or rebased from.
    """
    if conversation.isolations.of_label(label).exists():
        raise Conflict(
            f"Conversation '{conversation.pk}' has isolated {label!r}; release that copy first"
        )
    released = conversation.own_blocks.released(label)
    if block_id is not None:
        released = released.filter(pk=block_id)
    block = released.first()
    if block is None:
        which = f" with id '{block_id}'" if block_id else ""
        raise NotFound(f"Conversation '{conversation.pk}' has no released copy of {label!r}{which}")
    shared = conversation.agent.blocks.filter(label=label)
    # As in isolate_label, edits of the shared block from this conversation wait.
    lock_blocks([block, *shared])
    base = _find_last_base(block)
    try:
        with transaction.atomic():
            isolation = IsolatedBlock.objects.create(
                conversation=conversation,
                block=block,
                label=label,
                source_block_id=base.block_id if base else None,
                base_value=base.value if base else block.revisions.get(number=1).value,
                base_version=base.number if base else 0,
            )
    except IntegrityError as error:
        raise LabelChanged from error
    begin_periods([isolation], by=by)
    return _find_isolated(conversation, label)


def _find_isolated(conversation: Conversation, label: str) -> EffectiveBlock:
    effective = find_effective(conversation, label)
    if effective is None or effective.isolation is None:
        raise LabelChanged
    return effective


def _find_last_base(block: Block) -> BlockRevision | None:
    """Return the shared revision that an isolated block was last based on, if it is known."""
    moved = block.revisions.exclude(base_version=None).first()
    if moved is None or moved.base_version is None or block.conversation is None:
        return None
    # The revision has the version of the base; which block it was, the agent's period tells.
    periods = ReadingPeriod.objects.at(moved.written_at)
    period = periods.filter(agent=block.conversation.agent_id, label=block.label).first()
    if period is None:
        return None
    return BlockRevision.objects.filter(block=period.block_id, number=moved.base_version).first()
