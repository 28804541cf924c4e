"""Undo, redo and restore: earlier states of a block, written as new revisions.

The revision of an undo or redo names the one whose state it took (`restored_number`); every other
revision is an edit. Undo goes back to the state before the edit in force, so an edit after an undo
begins a new branch; the old one stays in the history.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import F, Max, OuterRef, Subquery

from ...models import Block, BlockRevision, IsolatedBlock
from ..actor import Actor, Source
from ..diffs import DiffPart, text_diff, unified
from ..errors import Conflict, NotFound
from .blocks import lock_block, write_block
from .writes import memory_write

MOVES = (Source.UNDO, Source.REDO)


class NothingToUndo(Conflict):
    """The block has the state of its first version."""


class NothingToRedo(Conflict):
    """The newest revisions of the block are no undo."""


@dataclass(frozen=True)
class RevisionDiff:
    """The difference between two revisions of a block."""

    older: BlockRevision
    newer: BlockRevision

    @property
    def unified(self) -> str:
        """The difference of the values as a unified diff."""
        names = (f"revision {self.older.number}", f"revision {self.newer.number}")
        return unified(self.older.value, self.newer.value, *names)

    @property
    def parts(self) -> list[DiffPart]:
        """The difference of the values, part by part."""
        return text_diff(self.older.value, self.newer.value)


def find_revision(block: Block, number: int) -> BlockRevision:
    """Return a block's revision of this number. Raises NotFound."""
    revision = block.revisions.filter(number=number).first()
    if revision is None:
        raise NotFound(
            f"Block '{block.pk}' has no revision {number}; its newest is {block.version}"
        )
    return revision


def diff_revisions(
    block: Block, older: int | None = None, newer: int | None = None
) -> RevisionDiff:
    """Return the difference of two revisions, by default of the newest and the one before it."""
    newer = block.version if newer is None else newer
    older = max(newer - 1, 1) if older is None else older
    return RevisionDiff(find_revision(block, older), find_revision(block, newer))


@memory_write
def undo(
    block: Block, *, by: Actor, expected_version: int | None = None, reason: str = ""
) -> Block:
    """Undo the newest edit that is not undone yet, and return the fresh row."""
    block = lock_block(block, expected_version)
    edit = _in_force(block, block.version)
    if edit == 1:
        raise NothingToUndo(f"Block '{block.pk}' is at its first version: there is nothing to undo")
    number = _in_force(block, edit - 1)
    return _take(block, number, Source.UNDO, by=by, expected=expected_version, reason=reason)


@memory_write
def redo(
    block: Block, *, by: Actor, expected_version: int | None = None, reason: str = ""
) -> Block:
    """Undo the newest undo since the last edit, and return the fresh row."""
    block = lock_block(block, expected_version)
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
        raise NothingToRedo(
            f"Block '{block.pk}' was not undone since its last edit: there is nothing to redo"
        )
    return _take(block, undone[-1], Source.REDO, by=by, expected=expected_version, reason=reason)


@memory_write
def restore_revision(
    block: Block, number: int, *, by: Actor, expected_version: int | None = None, reason: str = ""
) -> Block:
    """Write the state of any revision again, as an edit that can be undone."""
    block = lock_block(block, expected_version)
    return _take(block, number, Source.RESTORE, by=by, expected=expected_version, reason=reason)


class EditMoves(NamedTuple):
    """Whether a block's state allows an undo and a redo."""

    can_undo: bool
    can_redo: bool


def edit_moves(blocks: Iterable[Block]) -> dict[str, EditMoves]:
    """Return what `undo` and `redo` would accept, by block id. One query."""
    edits = BlockRevision.objects.filter(block=OuterRef("block")).exclude(source__in=MOVES)
    last_edit = Subquery(edits.order_by("-number").values("number")[:1])
    newest = BlockRevision.objects.filter(block__in=blocks, number=F("block__version"))
    rows = newest.annotate(last_edit=last_edit).values_list(
        "block_id", "number", "source", "restored_number", "last_edit"
    )
    moves = {}
    for block_id, number, source, restored, last_edit in rows:
        in_force = restored if source in MOVES and restored is not None else number
        moves[block_id] = EditMoves(can_undo=in_force > 1, can_redo=in_force != last_edit)
    return moves


def _in_force(block: Block, number: int) -> int:
    """Return the number of the edit whose state the block had at this revision."""
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
    """Return the base that an isolated block had at revision `number`, if it differs from now.

    Going back past the reset or rebase that set the present base has to restore the older base.
    Otherwise a text without the shared block's changes would look as if it had merged them, and
    promoting it would silently revert them.
    """
    isolation = IsolatedBlock.objects.select_for_update(no_key=True).filter(block=block).first()
    if isolation is None or isolation.source_block_id is None:
        return None
    moved = block.revisions.filter(number__gt=number).exclude(base_version=None).first()
    before = block.revisions.filter(number__lte=number).exclude(base_version=None).first()
    if moved is None or before is None or before.base_version is None:
        return None
    if moved.base_version != isolation.base_version:
        return None  # A later promotion has set the base.
    shared = BlockRevision.objects.filter(block=isolation.source_block_id)
    return shared.filter(number=before.base_version).first()
