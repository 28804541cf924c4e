"""Compare an isolated block with the shared one; promote, reset and rebase it."""

from dataclasses import dataclass

from merge3 import Merge3

from ...models import AgentBlock, Block, Conversation, IsolatedBlock
from ..actor import Actor, Source
from ..diffs import DiffPart, text_diff, unified
from ..errors import Conflict, NotIsolated
from .audience import find_audience
from .blocks import BlockFields, check_version, lock_blocks, write_block
from .effective import EffectiveBlock
from .writes import LabelChanged, retry_on_label_change


@dataclass(frozen=True)
class Comparison:
    """The base, the shared and the isolated text of one label."""

    isolation: IsolatedBlock
    shared: Block | None

    @property
    def effective(self) -> EffectiveBlock:
        """What the conversation reads as the label."""
        return EffectiveBlock(
            self.isolation.label, self.isolation.block, self.shared, self.isolation
        )

    @property
    def isolated_changes(self) -> list[DiffPart]:
        """The isolated text against the base."""
        return text_diff(self.isolation.base_value, self.isolation.block.value)

    @property
    def shared_changes(self) -> list[DiffPart]:
        """The shared text against the base; empty if the agent has lost the label."""
        return text_diff(self.isolation.base_value, self.shared.value) if self.shared else []

    @property
    def unified(self) -> str:
        """The isolated text against the shared one, or the base, as a unified diff."""
        isolated = self.isolation.block.value
        if self.shared is None:
            return unified(self.isolation.base_value, isolated, "base", "isolated")
        return unified(self.shared.value, isolated, "shared", "isolated")


class SharedMoved(Conflict):
    """Promoting would overwrite an unmerged change of the shared block."""

    def __init__(self, comparison: Comparison, shared: Block):
        self.comparison = comparison
        self.shared = shared
        super().__init__(
            f"The shared block of {comparison.isolation.label!r} has changed since it was "
            "isolated; rebase first, or force"
        )


@dataclass(frozen=True)
class Hunk:
    """Lines that both sides changed differently."""

    base: str
    shared: str
    isolated: str


class MergeConflict(Conflict):
    """The shared and the isolated text changed the same lines; `merged` marks them."""

    def __init__(self, label: str, conflicts: list[Hunk], merged: str):
        self.conflicts = conflicts
        self.merged = merged
        super().__init__(
            f"The shared and the isolated text of {label!r} changed the same lines in "
            f"{len(conflicts)} place(s); choose the text to keep"
        )


@dataclass(frozen=True)
class Promotion:
    """The result of a promotion: the shared block, and how many agents and conversations read it.

    `applied` is False if the shared block had the text already.
    """

    block: Block
    applied: bool
    agents: int
    conversations: int


def compare(conversation: Conversation, label: str) -> Comparison:
    """Compare a label that the conversation has isolated. Raises NotFound if it has not."""
    isolation = conversation.isolations.of_label(label).select_related("block").first()
    if isolation is None:
        raise NotIsolated(conversation.pk, label)
    links = AgentBlock.objects.filter(agent=conversation.agent_id, label=label)
    link = links.select_related("block").first()
    return Comparison(isolation, link.block if link else None)


@retry_on_label_change
def promote(
    conversation: Conversation,
    label: str,
    *,
    by: Actor,
    force: bool = False,
    expected_version: int | None = None,
    shared_version: int | None = None,
    dry_run: bool = False,
) -> Promotion:
    """Write the isolated text to the shared block; the result is the new base.

    `expected_version` is the version of the isolated block, `shared_version` that of the shared
    one; a dry run locks and writes nothing, here and below. Raises SharedMoved if the shared block
    has changed since the base, unless forced.
    """
    comparison = _lock(conversation, label, expected_version, shared_version, dry_run=dry_run)
    isolation, shared = comparison.isolation, _require_shared(comparison)
    value = isolation.block.value
    if not force and shared.value not in (isolation.base_value, value):
        raise SharedMoved(comparison, shared)
    applied = shared.value != value
    if dry_run:
        shared.value = value
    else:
        shared = write_block(
            shared,
            by=by._replace(source=Source.PROMOTE),
            # Unless forced, the locked shared text was compared with the base.
            expected_version=None if force else shared.version,
            conversation=conversation,
            value=value,
        )
        _set_base(isolation, shared)
    audience = find_audience(shared)
    return Promotion(shared, applied, audience.agents, audience.conversations)


@retry_on_label_change
def reset(
    conversation: Conversation,
    label: str,
    *,
    by: Actor,
    expected_version: int | None = None,
    dry_run: bool = False,
) -> EffectiveBlock:
    """Overwrite the isolated block with the shared value, description and limit."""
    # The version is checked by the write: without a change, any version is accepted.
    comparison = _lock(conversation, label, None, None, dry_run=dry_run)
    by, fields = by._replace(source=Source.RESET), reset_fields(comparison)
    return _write_isolated(comparison, fields, by=by, expected=expected_version, dry_run=dry_run)


@retry_on_label_change
def rebase(
    conversation: Conversation,
    label: str,
    *,
    by: Actor,
    resolution: str | None = None,
    expected_version: int | None = None,
    shared_version: int | None = None,
    dry_run: bool = False,
) -> EffectiveBlock:
    """Merge the changes of the shared block since the base into the isolated one, by lines.

    Raises MergeConflict if both changed the same lines, unless `resolution` is the merged text.
    """
    comparison = _lock(conversation, label, expected_version, shared_version, dry_run=dry_run)
    if resolution is None:
        # The merge is based on the locked text, whichever version the caller has seen.
        expected_version, resolution = comparison.isolation.block.version, merge(comparison)
    by, fields = by._replace(source=Source.REBASE), BlockFields(value=resolution)
    return _write_isolated(comparison, fields, by=by, expected=expected_version, dry_run=dry_run)


def merge(comparison: Comparison) -> str:
    """Return the isolated text with the shared changes since the base. Writes nothing.

    Raises MergeConflict if both changed the same lines.
    """
    isolation, shared = comparison.isolation, _require_shared(comparison)
    base, theirs, ours = (
        text.split("\n") for text in (isolation.base_value, shared.value, isolation.block.value)
    )
    merged: list[str] = []
    conflicts = []
    for kind, *sides in Merge3(base, theirs, ours).merge_groups():
        if kind == "conflict":
            conflicts.append(Hunk(*("\n".join(side) for side in sides)))
            _, shared_lines, isolated_lines = sides
            merged += ["<<<<<<< shared", *shared_lines]
            merged += ["=======", *isolated_lines, ">>>>>>> isolated"]
        else:
            merged += sides[0]
    if conflicts:
        raise MergeConflict(isolation.label, conflicts, "\n".join(merged))
    return "\n".join(merged)


def _lock(
    conversation: Conversation,
    label: str,
    expected: int | None,
    expected_shared: int | None,
    *,
    dry_run: bool,
) -> Comparison:
    """Lock both blocks and the IsolatedBlock row, and return their comparison."""
    comparison = compare(conversation, label)
    if not dry_run:
        isolation, shared = comparison.isolation, comparison.shared
        lock_blocks([isolation.block, *([shared] if shared else [])])
        list(IsolatedBlock.objects.select_for_update(no_key=True).filter(pk=isolation.pk))
        # Read again: the rows may have changed while waiting for the locks.
        comparison = compare(conversation, label)
        if (comparison.isolation, comparison.shared) != (isolation, shared):
            raise LabelChanged
    check_version(comparison.isolation.block, expected)
    if comparison.shared is not None:
        check_version(comparison.shared, expected_shared)
    return comparison


def _require_shared(comparison: Comparison) -> Block:
    if comparison.shared is None:
        raise Conflict(
            f"The agent no longer has a block with label {comparison.isolation.label!r}; "
            "the conversation keeps its copy"
        )
    return comparison.shared


def reset_fields(comparison: Comparison) -> BlockFields:
    """Return what a reset writes: the shared value, description and limit."""
    shared = _require_shared(comparison)
    return {"value": shared.value, "description": shared.description, "limit": shared.limit}


def _write_isolated(
    comparison: Comparison, fields: BlockFields, *, by: Actor, expected: int | None, dry_run: bool
) -> EffectiveBlock:
    isolation, shared = comparison.isolation, _require_shared(comparison)
    block = isolation.block
    if not dry_run:
        isolation.block = write_block(
            block, by=by, expected_version=expected, base_version=shared.version, **fields
        )
        _set_base(isolation, shared)
        return comparison.effective
    if any(getattr(block, name) != value for name, value in fields.items()):
        check_version(block, expected)
    for name, value in fields.items():
        setattr(block, name, value)
    isolation.base_value = shared.value
    return comparison.effective


def _set_base(isolation: IsolatedBlock, shared: Block) -> None:
    isolation.base_value = shared.value
    isolation.base_version = shared.version
    isolation.source_block = shared
    isolation.save(update_fields=["base_value", "base_version", "source_block"])
