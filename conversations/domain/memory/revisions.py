"""Undo, redo and restore: earlier states of a block, written as new revisions.

An undo or redo points at the revision whose state it took (`restored_number`); every other
revision is an edit. Undo goes to what the edit in force was made upon, so an edit after an undo
begins a new branch, and the old one stays in the history.
"""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max

from ...models import Block, BlockRevision, IsolatedBlock
from ..actor import Actor, Source
from ..diffs import DiffPart, text_diff, unified
from ..errors import Conflict, NotFound
from .blocks import check_version, lock_block, write_block

MOVES = (Source.UNDO, Source.REDO)


class NothingToUndo(Conflict):
    def __init__(self, block: Block):
        super().__init__(f"Block '{block.pk}' says what it said first: there is nothing to undo")


class NothingToRedo(Conflict):
    def __init__(self, block: Block):
        super().__init__(
            f"Block '{block.pk}' was not undone since its last edit: there is nothing to redo"
        )


@dataclass(frozen=True)
class Change:
    """How a block got from one revision to another."""

    older: BlockRevision
    newer: BlockRevision

    @property
    def unified(self) -> str:
        names = (f"revision {self.older.number}", f"revision {self.newer.number}")
        return unified(self.older.value, self.newer.value, *names)

    @property
    def pieces(self) -> list[DiffPart]:
        return text_diff(self.older.value, self.newer.value)


def find_revision(block: Block, number: int) -> BlockRevision:
    revision = block.revisions.filter(number=number).first()
    if revision is None:
        raise NotFound(
            f"Block '{block.pk}' has no revision {number}; its newest is {block.version}"
        )
    return revision


def diff_revisions(block: Block, older: int | None = None, newer: int | None = None) -> Change:
    """What changed between two revisions: without numbers, what the newest one did."""
    newer = block.version if newer is None else newer
    older = max(newer - 1, 1) if older is None else older
    return Change(find_revision(block, older), find_revision(block, newer))


@transaction.atomic
def undo(
    block: Block, *, by: Actor, expected_version: int | None = None, reason: str = ""
) -> Block:
    """Take the state that the last edit not yet undone was made upon. Answers the fresh row."""
    block = _locked(block, expected_version)
    edit = _in_force(block, block.version)
    if edit == 1:
        raise NothingToUndo(block)
    number = _in_force(block, edit - 1)
    return _take(block, number, Source.UNDO, by=by, expected=expected_version, reason=reason)


@transaction.atomic
def redo(
    block: Block, *, by: Actor, expected_version: int | None = None, reason: str = ""
) -> Block:
    """Take back the last undo since the last edit. Answers the fresh row."""
    block = _locked(block, expected_version)
    last_edit = block.revisions.exclude(source__in=MOVES).aggregate(n=Max("number"))["n"]
    undone: list[int] = []
    number = last_edit
    moves = block.revisions.filter(number__gt=last_edit).order_by("number")
    for source, restored in moves.values_list("source", "restored_number"):
        if source == Source.UNDO:
            undone.append(number)
        else:
            undone.pop()
        number = restored
    if not undone:
        raise NothingToRedo(block)
    return _take(block, undone[-1], Source.REDO, by=by, expected=expected_version, reason=reason)


@transaction.atomic
def restore_revision(
    block: Block,
    number: int,
    *,
    by: Actor,
    expected_version: int | None = None,
    reason: str = "",
) -> Block:
    """Take the state of any revision. An edit like others: it can be undone."""
    block = _locked(block, expected_version)
    return _take(block, number, Source.RESTORE, by=by, expected=expected_version, reason=reason)


def _locked(block: Block, expected_version: int | None) -> Block:
    block = lock_block(block)
    check_version(block, expected_version)
    return block


def _in_force(block: Block, number: int) -> int:
    """The edit whose state the block had at this revision."""
    revision = find_revision(block, number)
    if revision.source in MOVES and revision.restored_number is not None:
        return revision.restored_number
    return number


def _take(
    block: Block, number: int, source: Source, *, by: Actor, expected: int | None, reason: str
) -> Block:
    revision = find_revision(block, number)
    base = _base_before(block, number)
    written = write_block(
        block,
        by=by._replace(source=source),
        expected_version=expected,
        reason=reason,
        restored_number=number,
        base_version=base.number if base else None,
        **revision.state,
    )
    if base is not None and written.version != block.version:
        IsolatedBlock.objects.filter(block=block).update(
            base_value=base.value, base_version=base.number
        )
    return written


def _base_before(block: Block, number: int) -> BlockRevision | None:
    """The shared block's revision that an isolated text was based on at `number`, when going
    back there also goes back behind the reset or rebase that set the present base.

    Otherwise, keeping the base, a text without the shared block's changes would pass for one
    that has merged them, and promoting it would silently take them away.
    """
    isolation = IsolatedBlock.objects.select_for_update(no_key=True).filter(block=block).first()
    if isolation is None or isolation.source_block_id is None:
        return None
    moved = block.revisions.filter(number__gt=number).exclude(base_version=None).first()
    before = block.revisions.filter(number__lte=number).exclude(base_version=None).first()
    if moved is None or before is None or before.base_version is None:
        return None
    if moved.base_version != isolation.base_version:
        return None  # A later promotion moved it on.
    shared = BlockRevision.objects.filter(block=isolation.source_block_id)
    return shared.filter(number=before.base_version).first()
