"""Isolating labels in a conversation, and reading the shared blocks again."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction

from ...models import (
    Agent,
    Block,
    BlockRevision,
    Conversation,
    IsolatedBlock,
    ReadingPeriod,
)
from ..actor import Actor
from ..errors import Conflict, NotFound, RepeatedLabels, UnknownLabels
from .blocks import check_version, insert_blocks, lock_block, lock_blocks, stale_version
from .effective import EffectiveBlock, effective_blocks
from .periods import begin_periods, end_periods
from .prompt import recompile_default_conversations
from .retry import LabelChanged, retry_on_label_change

COPIED = ("value", "limit", "description", "metadata", "read_only", "hidden", "tags", "project_id")


def blocks_to_isolate(agent: Agent, labels: Iterable[str], *, with_policy: bool) -> list[Block]:
    """The agent's blocks of the labels asked for, then those of its policy that it still has."""
    labels = list(labels)
    if repeated := [label for label, count in Counter(labels).items() if count > 1]:
        raise RepeatedLabels("isolated_block_labels", repeated)
    shared = {link.label: link.block for link in agent.block_links.select_related("block")}
    if missing := [label for label in labels if label not in shared]:
        raise UnknownLabels(agent.pk, missing, sorted(shared))
    policy = agent.isolated_labels if with_policy else []
    return [shared[label] for label in dict.fromkeys([*labels, *policy]) if label in shared]


def isolate_blocks(
    conversation: Conversation,
    sources: list[Block],
    *,
    by: Actor,
    value: str | None = None,
    at: datetime | None = None,
) -> None:
    """Give a conversation its own copies of shared blocks whose labels it has not isolated,
    now, or since `at`."""
    copies = [own_copy(conversation, source, by=by) for source in sources]
    if value is not None:
        for copy in copies:
            copy.value = value
    bases = [source.version for source in sources]
    insert_blocks(copies, by=by, reason="isolated", base_versions=bases)
    links = IsolatedBlock.objects.bulk_create(
        IsolatedBlock(
            conversation=conversation,
            block=copy,
            label=copy.label,
            source_block=source,
            base_value=source.value,
            base_version=source.version,
        )
        for source, copy in zip(sources, copies, strict=True)
    )
    begin_periods(links, by=by, at=at)


def own_copy(conversation: Conversation, source: Block, *, by: Actor) -> Block:
    """An unsaved block of the conversation's own that says what `source` says."""
    return Block(
        organization_id=conversation.organization_id,
        conversation=conversation,
        label=source.label,
        created_by=by.user,
        last_updated_by=by.user,
        **{name: getattr(source, name) for name in COPIED},
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
    """Give a conversation its own copy of one label now, saying `value` or the shared text.

    Isolating again changes nothing; with another value it is a Conflict, since that is an edit.
    With `requires_absence` it is a StaleVersion.
    """
    isolation = conversation.isolations.of_label(label).select_related("block").first()
    if isolation is not None and requires_absence:
        raise stale_version(isolation.block, None)
    if isolation is None:
        # Two callers isolating one label at once: the second waits here, and begins again to find
        # it isolated, without this lock, which may not be held when a caller locks the copy.
        # An edit of the shared block from this conversation is waited for as well.
        lock_blocks(blocks_to_isolate(conversation.agent, [label], with_policy=False))
        if conversation.isolations.of_label(label).exists():
            raise LabelChanged
        # Read again: the texts may have changed while waiting for the lock.
        sources = blocks_to_isolate(conversation.agent, [label], with_policy=False)
        try:
            with transaction.atomic():
                isolate_blocks(conversation, sources, by=by, value=value)
        except IntegrityError as error:
            # Another copy came into force meanwhile, or the shared block was exchanged.
            raise LabelChanged from error
        _follow(conversation)
    effective = _read_isolated(conversation, label)
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
    """Read the shared block again; answers it, or None when the agent no longer has the label.

    The copy and its revisions stay with the conversation, out of force; `restore_label` takes it.
    """
    isolation = conversation.isolations.of_label(label).select_related("block").first()
    if isolation is None:
        raise NotFound(f"Conversation '{conversation.pk}' has not isolated the label {label!r}")
    # Whoever edits, promotes or rebases the copy is waited for, or waits and finds it released.
    block = lock_block(isolation.block)
    released, _ = conversation.isolations.filter(block=block).delete()
    if not released:
        raise LabelChanged
    check_version(block, expected_version)
    end_periods(conversation.reading_periods.filter(label=label), by=by)
    _follow(conversation)
    return next((e for e in effective_blocks(conversation) if e.label == label), None)


@retry_on_label_change
def restore_label(
    conversation: Conversation, label: str, *, by: Actor, block_id: str | None = None
) -> EffectiveBlock:
    """Put a released copy of a label in force again: the newest one, or the one of this id.

    Its base is the shared text that it was last known to be based on.
    """
    if conversation.isolations.of_label(label).exists():
        raise Conflict(
            f"Conversation '{conversation.pk}' has isolated {label!r}; release that copy first"
        )
    released = conversation.own_blocks.released(label)
    if block_id is not None:
        released = released.filter(pk=block_id)
    copy = released.first()
    if copy is None:
        which = f" with id '{block_id}'" if block_id else ""
        raise NotFound(f"Conversation '{conversation.pk}' has no released copy of {label!r}{which}")
    shared = conversation.agent.blocks.filter(label=label)
    # As isolating does: an edit of the shared block from this conversation is waited for.
    lock_blocks([copy, *shared])
    base = _last_base(copy)
    try:
        with transaction.atomic():
            isolation = IsolatedBlock.objects.create(
                conversation=conversation,
                block=copy,
                label=label,
                source_block_id=base.block_id if base else None,
                base_value=base.value if base else copy.revisions.get(number=1).value,
                base_version=base.number if base else 0,
            )
    except IntegrityError as error:
        raise LabelChanged from error
    begin_periods([isolation], by=by)
    _follow(conversation)
    return _read_isolated(conversation, label)


def _read_isolated(conversation: Conversation, label: str) -> EffectiveBlock:
    for effective in effective_blocks(conversation):
        if effective.label == label and effective.isolation:
            return effective
    raise LabelChanged  # Somebody released it already.


def _last_base(copy: Block) -> BlockRevision | None:
    """The shared block's revision that a released copy was last isolated, reset or rebased from.

    Of which block it is, is told by what the agent read as the label when that was written.
    """
    moved = copy.revisions.exclude(base_version=None).first()
    if moved is None or moved.base_version is None or copy.conversation is None:
        return None
    then = ReadingPeriod.objects.at(moved.written_at)
    period = then.filter(agent=copy.conversation.agent_id, label=copy.label).first()
    if period is None:
        return None
    return BlockRevision.objects.filter(block=period.block_id, number=moved.base_version).first()


def _follow(conversation: Conversation) -> None:
    if conversation.is_default:
        recompile_default_conversations([conversation.agent_id])
