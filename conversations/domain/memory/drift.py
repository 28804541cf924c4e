"""An isolated block and its shared one grow apart: compare them, and bring them together."""

from dataclasses import asdict, dataclass

from merge3 import Merge3

from ...models import AgentBlock, Block, Conversation, IsolatedBlock
from ..actor import Actor, Source
from ..diffs import DiffPart, text_diff, unified
from ..errors import Conflict, NotFound
from .audience import find_audience
from .blocks import BlockFields, check_version, lock_blocks, write_block
from .effective import EffectiveBlock
from .retry import LabelChanged, retry_on_label_change


@dataclass(frozen=True)
class Comparison:
    """What one isolated label said when it was isolated (base), and what both blocks say now."""

    isolation: IsolatedBlock
    shared: Block | None

    @property
    def effective(self) -> EffectiveBlock:
        own = self.isolation
        return EffectiveBlock(own.label, own.block, self.shared, own)

    @property
    def isolated_changes(self) -> list[DiffPart]:
        return text_diff(self.isolation.base_value, self.isolation.block.value)

    @property
    def shared_changes(self) -> list[DiffPart]:
        """Against the base; empty when the shared block is gone."""
        return text_diff(self.isolation.base_value, self.shared.value) if self.shared else []

    @property
    def unified(self) -> str:
        """How the isolated text differs from the shared one, or from the base if that is gone."""
        own = self.isolation.block.value
        if self.shared is None:
            return unified(self.isolation.base_value, own, "base", "isolated")
        return unified(self.shared.value, own, "shared", "isolated")


class SharedMoved(Conflict):
    """Promoting would overwrite a change of the shared block that nobody has merged."""

    def __init__(self, comparison: Comparison):
        self.comparison = comparison
        super().__init__(
            f"The shared block of {comparison.isolation.label!r} has changed since it was "
            "isolated; rebase first, or force"
        )

    @property
    def details(self) -> dict:
        shared = _shared(self.comparison)
        side = {"block_id": shared.pk, "value": shared.value, "version": shared.version}
        return {"drift": self.comparison.effective.drift, "shared": side}


@dataclass(frozen=True)
class Hunk:
    """A stretch that both sides changed, differently."""

    base: str
    shared: str
    isolated: str


class MergeConflict(Conflict):
    """The shared and the isolated text changed the same lines. `merged` has them marked."""

    def __init__(self, label: str, conflicts: list[Hunk], merged: str):
        self.conflicts = conflicts
        self.merged = merged
        super().__init__(
            f"The shared and the isolated text of {label!r} changed the same lines in "
            f"{len(conflicts)} place(s); send the text to keep as `resolution`"
        )

    @property
    def details(self) -> dict:
        return {"conflicts": [asdict(hunk) for hunk in self.conflicts], "merged": self.merged}


@dataclass(frozen=True)
class Promotion:
    """What promoting does, or would do: the shared block after it, and who reads that."""

    block: Block
    applied: bool
    agents: int
    conversations: int


def compare(conversation: Conversation, label: str) -> Comparison:
    """Base, shared and isolated text of one label that the conversation has isolated."""
    isolation = conversation.isolations.of_label(label).select_related("block").first()
    if isolation is None:
        raise NotFound(f"Conversation '{conversation.pk}' has not isolated the label {label!r}")
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
) -> Promotion:
    """Write the isolated text to the shared block, which becomes the new base.

    `expected_version` is the isolated block's, here and below; `shared_version` the shared one's.

    Raises SharedMoved when the shared block has changed since the base, unless forced.
    """
    comparison = _locked(conversation, label, expected_version, shared_version)
    isolation, shared = comparison.isolation, _promotable(comparison, force=force)
    value = isolation.block.value
    applied = shared.value != value
    written_by = by._replace(source=Source.PROMOTE)
    shared = write_block(
        shared,
        by=written_by,
        # Unless forced, the shared text was compared with the base, under its lock.
        expected_version=None if force else shared.version,
        conversation=conversation,
        value=value,
    )
    _set_base(isolation, shared)
    return _promotion(shared, applied=applied)


def preview_promotion(
    conversation: Conversation,
    label: str,
    *,
    force: bool = False,
    expected_version: int | None = None,
) -> Promotion:
    """What `promote` would do. Writes nothing."""
    comparison = compare(conversation, label)
    check_version(comparison.isolation.block, expected_version)
    shared = _promotable(comparison, force=force)
    value = comparison.isolation.block.value
    applied = shared.value != value
    shared.value = value
    return _promotion(shared, applied=applied)


@retry_on_label_change
def reset(
    conversation: Conversation, label: str, *, by: Actor, expected_version: int | None = None
) -> EffectiveBlock:
    """Take the shared text again: value, description and limit."""
    # A copy that says what the shared block says is accepted, whatever version was named.
    comparison = _locked(conversation, label, None)
    by = by._replace(source=Source.RESET)
    return _write_own(comparison, by=by, expected=expected_version, **text_of(comparison))


def preview_reset(
    conversation: Conversation, label: str, *, expected_version: int | None = None
) -> EffectiveBlock:
    """What `reset` would leave. Writes nothing."""
    comparison = compare(conversation, label)
    block, fields = comparison.isolation.block, text_of(comparison)
    if any(getattr(block, name) != value for name, value in fields.items()):
        check_version(block, expected_version)
    return _preview_own(comparison, **fields)


@retry_on_label_change
def rebase(
    conversation: Conversation,
    label: str,
    *,
    by: Actor,
    resolution: str | None = None,
    expected_version: int | None = None,
    shared_version: int | None = None,
) -> EffectiveBlock:
    """Merge what changed in the shared block since the base into the isolated one, by lines.

    Raises MergeConflict when both changed the same lines, and nothing is written, unless
    `resolution` says what the isolated block shall say.
    """
    comparison = _locked(conversation, label, expected_version, shared_version)
    by = by._replace(source=Source.REBASE)
    if resolution is None:
        # The text merged is the one under the lock, whatever the caller has seen.
        version = comparison.isolation.block.version
        return _write_own(comparison, by=by, expected=version, value=merge(comparison))
    return _write_own(comparison, by=by, expected=expected_version, value=resolution)


def preview_rebase(
    conversation: Conversation,
    label: str,
    *,
    resolution: str | None = None,
    expected_version: int | None = None,
) -> EffectiveBlock:
    """What `rebase` would leave. Writes nothing."""
    comparison = compare(conversation, label)
    check_version(comparison.isolation.block, expected_version)
    value = merge(comparison) if resolution is None else resolution
    return _preview_own(comparison, value=value)


def merge(comparison: Comparison) -> str:
    """The isolated text with the shared block's changes since the base. Writes nothing."""
    isolation, shared = comparison.isolation, _shared(comparison)
    base, theirs, ours = (
        text.split("\n") for text in (isolation.base_value, shared.value, isolation.block.value)
    )
    merged: list[str] = []
    conflicts = []
    for kind, *sides in Merge3(base, theirs, ours).merge_groups():
        if kind == "conflict":
            conflicts.append(Hunk(*("\n".join(side) for side in sides)))
            _, shared_lines, own_lines = sides
            merged += ["<<<<<<< shared", *shared_lines, "=======", *own_lines, ">>>>>>> isolated"]
        else:
            merged += sides[0]
    if conflicts:
        raise MergeConflict(isolation.label, conflicts, "\n".join(merged))
    return "\n".join(merged)


def _locked(
    conversation: Conversation,
    label: str,
    expected: int | None,
    expected_shared: int | None = None,
) -> Comparison:
    """The comparison with its rows held: both blocks, then the row that puts one in force."""
    comparison = compare(conversation, label)
    blocks = [comparison.isolation.block, *([comparison.shared] if comparison.shared else [])]
    lock_blocks(blocks)
    list(IsolatedBlock.objects.select_for_update(no_key=True).filter(pk=comparison.isolation.pk))
    # Read again: what was read before the locks may have changed while waiting for them.
    locked = compare(conversation, label)
    if (locked.isolation, locked.shared) != (comparison.isolation, comparison.shared):
        raise LabelChanged
    check_version(locked.isolation.block, expected)
    if locked.shared is not None:
        check_version(locked.shared, expected_shared)
    return locked


def _shared(comparison: Comparison) -> Block:
    if comparison.shared is None:
        raise Conflict(
            f"The agent no longer has a block with label {comparison.isolation.label!r}; "
            "the conversation keeps its copy"
        )
    return comparison.shared


def _promotable(comparison: Comparison, *, force: bool) -> Block:
    isolation, shared = comparison.isolation, _shared(comparison)
    if not force and shared.value not in (isolation.base_value, isolation.block.value):
        raise SharedMoved(comparison)
    return shared


def text_of(comparison: Comparison) -> BlockFields:
    """What resetting writes: the shared text with its description and limit."""
    shared = _shared(comparison)
    return {"value": shared.value, "description": shared.description, "limit": shared.limit}


def _write_own(
    comparison: Comparison, *, by: Actor, expected: int | None, **fields
) -> EffectiveBlock:
    isolation, shared = comparison.isolation, _shared(comparison)
    isolation.block = write_block(
        isolation.block,
        by=by,
        expected_version=expected,
        base_version=shared.version,
        **fields,
    )
    _set_base(isolation, shared)
    return comparison.effective


def _preview_own(comparison: Comparison, **fields) -> EffectiveBlock:
    comparison.isolation.base_value = _shared(comparison).value
    for name, value in fields.items():
        setattr(comparison.isolation.block, name, value)
    return comparison.effective


def _set_base(isolation: IsolatedBlock, shared: Block) -> None:
    isolation.base_value = shared.value
    isolation.base_version = shared.version
    isolation.source_block = shared
    isolation.save(update_fields=["base_value", "base_version", "source_block"])


def _promotion(shared: Block, *, applied: bool) -> Promotion:
    readers = find_audience(shared)
    return Promotion(shared, applied, readers.agents, readers.conversations)
