"""Editing what a conversation reads as one label, from within that conversation."""

from collections.abc import Callable

from ...models import Block, Conversation
from ..actor import Actor
from ..errors import NotFound
from .blocks import BlockFields, lock_block, write_block
from .effective import EffectiveBlock, effective_blocks
from .isolation import isolate_label
from .retry import LabelChanged, retry_on_label_change


@retry_on_label_change
def edit_label(
    conversation: Conversation,
    label: str,
    *,
    by: Actor,
    edit: Callable[[Block], BlockFields],
    expected_version: int | None = None,
    reason: str = "",
) -> EffectiveBlock:
    """Change the block that this conversation reads as `label`: its isolated one, else the shared.

    `edit` is given the locked fresh row and answers the fields to write, so an operation such as
    "append this line" loses nobody's edit; no other label is touched. Where the shared block is
    marked copy on write, the label is isolated first and the copy is written.
    """
    block = _locked(conversation, _read(conversation, label))
    if not block.is_isolated and block.copy_on_write:
        # Nobody else can isolate the label while its shared block is locked: the copy is new.
        block = isolate_label(conversation, label, by=by).block
    write_block(
        block,
        by=by,
        expected_version=block.version if expected_version is None else expected_version,
        reason=reason,
        conversation=conversation,
        **edit(block),
    )
    return _read(conversation, label)


@retry_on_label_change
def edit_isolated_block(
    conversation: Conversation,
    label: str,
    *,
    by: Actor,
    expected_version: int | None = None,
    changes: BlockFields,
) -> EffectiveBlock:
    """Change the isolated block of a label, or make it where the shared one is copy on write."""
    effective = next((e for e in effective_blocks(conversation) if e.label == label), None)
    if effective is None or not (effective.isolation or effective.block.copy_on_write):
        raise NotFound(f"Conversation '{conversation.pk}' has not isolated the label {label!r}")
    if effective.isolation is None:
        effective = isolate_label(conversation, label, by=by)
    block = _locked(conversation, effective)
    write_block(block, by=by, expected_version=expected_version, **changes)
    return _read(conversation, label)


def _locked(conversation: Conversation, effective: EffectiveBlock) -> Block:
    """The fresh row of what is read as the label, held, while it is still what is read."""
    block = lock_block(effective.block)
    if _read(conversation, effective.label).block != block:
        raise LabelChanged
    return block


def _read(conversation: Conversation, label: str) -> EffectiveBlock:
    blocks = effective_blocks(conversation)
    for effective in blocks:
        if effective.label == label:
            return effective
    labels = ", ".join(repr(effective.label) for effective in blocks) or "none"
    raise NotFound(
        f"Conversation '{conversation.pk}' reads no block with label {label!r}; "
        f"its labels are {labels}"
    )
