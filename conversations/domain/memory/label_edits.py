"""Edit what a conversation reads as one label, from within that conversation."""

from collections.abc import Callable

from ...models import Block, Conversation
from ..actor import Actor
from ..errors import NotFound, NotIsolated, quoted
from .blocks import BlockFields, lock_block, write_block
from .effective import EffectiveBlock, effective_blocks, find_effective
from .isolation import isolate_label
from .writes import LabelChanged, retry_on_label_change


@retry_on_label_change
def edit_label(
    conversation: Conversation,
    label: str,
    *,
    by: Actor,
    edit: Callable[[Block], BlockFields],
    reason: str = "",
) -> EffectiveBlock:
    """Change the block that this conversation reads as `label`, isolated or shared.

    `edit` takes the fresh, locked row and returns the fields to write, so that an operation such
    as "append this line" loses no other edit. If the shared block is copy-on-write, the label is
    isolated first and the copy is written.
    """
    block = _lock_effective(conversation, _require_effective(conversation, label))
    if not block.is_isolated and block.copy_on_write:
        # The lock on the shared block keeps others from isolating the label: the copy is new.
        block = isolate_label(conversation, label, by=by).block
    write_block(
        block,
        by=by,
        expected_version=block.version,
        reason=reason,
        conversation=conversation,
        **edit(block),
    )
    return _require_effective(conversation, label)


@retry_on_label_change
def edit_isolated_block(
    conversation: Conversation,
    label: str,
    *,
    by: Actor,
    expected_version: int | None = None,
    changes: BlockFields,
) -> EffectiveBlock:
    """Change the isolated block of a label; isolate the label if its block is copy-on-write."""
    effective = find_effective(conversation, label)
    if effective is None or not (effective.isolation or effective.block.copy_on_write):
        raise NotIsolated(conversation.pk, label)
    if effective.isolation is None:
        effective = isolate_label(conversation, label, by=by)
    block = _lock_effective(conversation, effective)
    write_block(block, by=by, expected_version=expected_version, **changes)
    return _require_effective(conversation, label)


def _lock_effective(conversation: Conversation, effective: EffectiveBlock) -> Block:
    """Lock and return the fresh row; raise LabelChanged if the label now means another block."""
    block = lock_block(effective.block)
    if _require_effective(conversation, effective.label).block != block:
        raise LabelChanged
    return block


def _require_effective(conversation: Conversation, label: str) -> EffectiveBlock:
    if effective := find_effective(conversation, label):
        return effective
    labels = quoted(effective.label for effective in effective_blocks(conversation))
    raise NotFound(
        f"Conversation '{conversation.pk}' reads no block with label {label!r}; "
        f"its labels are {labels}"
    )
