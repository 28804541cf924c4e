"""Create, edit and delete blocks. Every edit leaves exactly one revision."""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from itertools import zip_longest
from typing import Any, Concatenate, ParamSpec, TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

from ...models import AgentBlock, AuditAction, Block, BlockRevision, Conversation, Organization
from ...signals import block_written, send_on_commit
from ...tracing import OPERATION, span
from ..actor import Actor
from ..audit import record
from ..diffs import unified
from ..errors import BlockTooLong, Conflict, InvalidValue, LabelTaken, StaleVersion, UnknownId
from ..quotas import check_memory
from .periods import begin_periods, end_periods
from .writes import mark_stale, memory_write

P = ParamSpec("P")


class BlockFields(TypedDict, total=False):
    """The editable fields of a block; request bodies, revisions and copies derive from them."""

    label: str
    value: str
    limit: int
    description: str | None
    metadata: dict[str, Any]
    read_only: bool
    copy_on_write: bool
    hidden: bool | None
    tags: list[str]
    is_template: bool
    template_name: str | None
    project_id: str | None


# A revision has columns for the text and its limits; it stores the other fields as JSON.
REVISION_ATTRIBUTES = tuple(
    name for name in BlockFields.__annotations__ if name not in ("value", "limit", "description")
)
# An isolated block starts with the fields of the block that it overrides, except that it is edited
# in place, so copy-on-write has no meaning for it, and that a copy of a template is not a template.
ISOLATED_FIELDS = tuple(
    name
    for name in BlockFields.__annotations__
    if name not in ("copy_on_write", "is_template", "template_name")
)


def create_block(
    organization: Organization, *, by: Actor, reason: str = "", **fields: Unpack[BlockFields]
) -> Block:
    """Create a block that belongs to no conversation. Its creation is revision 1."""
    authors = {"created_by": by.member, "last_updated_by": by.member}
    block = Block(organization=organization, **authors, **fields)
    insert_blocks([block], by=by, reason=reason)
    return block


def insert_blocks(
    blocks: list[Block], *, by: Actor, reason: str = "", base_versions: Sequence[int | None] = ()
) -> None:
    """Insert new blocks with their first revisions, in two queries.

    `base_versions` are the versions of the shared blocks that isolated ones are copied from.
    """
    for block in blocks:
        check_text(block, {})
    check_memory_of(blocks, by=by)
    # Without a savepoint: if it fails, the caller's transaction fails.
    with memory_span("create_memory", blocks), transaction.atomic(savepoint=False):
        Block.objects.bulk_create(blocks)
        insert_revisions(
            _new_revision(block, by=by, reason=reason, base_version=base_version)
            for block, base_version in zip_longest(blocks, base_versions)
        )


def _traced(
    function: Callable[Concatenate[Block, P], Block],
) -> Callable[Concatenate[Block, P], Block]:
    @wraps(function)
    def traced(block: Block, /, *args: P.args, **kwargs: P.kwargs) -> Block:
        with memory_span("update_memory", [block]):
            return function(block, *args, **kwargs)

    return traced


def memory_span(operation: str, blocks: Sequence[Block]) -> AbstractContextManager[object]:
    """Return a span of a write to memory, whose store is the organization."""
    attributes: dict[str, object] = {
        OPERATION: operation,
        "gen_ai.memory.record.count": len(blocks),
    }
    if blocks:
        attributes["gen_ai.memory.store.id"] = blocks[0].organization_id
    if len(blocks) == 1:
        attributes["gen_ai.memory.record.id"] = blocks[0].pk
    return span(operation, attributes)


@memory_write
@_traced
def write_block(
    block: Block,
    *,
    by: Actor,
    expected_version: int | None = None,
    reason: str = "",
    conversation: Conversation | None = None,
    restored_number: int | None = None,
    base_version: int | None = None,
    **changes: Unpack[BlockFields],
) -> Block:
    """Change a block, record the revision and return the fresh row.

    The only way to edit a block. A write that changes nothing succeeds and leaves no revision.
    Raises StaleVersion if `expected_version` is given and is no longer the block's version.
    """
    # The lock keeps revision numbers without gaps when two turns edit a shared block at once.
    block = lock_block(block)
    length = len(block.value)
    changed = {name for name, value in changes.items() if _differs(getattr(block, name), value)}
    if not changed:
        return block
    check_version(block, expected_version)
    if "label" in changed:
        _rename(block, changes["label"], by=by)
    _apply(block, changes, by=by)
    check_memory(block.organization_id, by=by, new=len(block.value) - length)
    block.save(update_fields=[*changed, "version", "last_updated_by", "updated_at"])
    revision = _new_revision(
        block,
        by=by,
        reason=reason,
        conversation=conversation,
        unconditional=expected_version is None,
        restored_number=restored_number,
        base_version=base_version,
    )
    insert_revisions([revision])
    # Even after an edit that no prompt shows: staleness compares versions.
    if block.conversation_id is None:
        mark_stale(agent__block_links__block=block)
    else:
        mark_stale(pk=block.conversation_id)
    return block


def check_memory_of(blocks: Sequence[Block], *, by: Actor) -> None:
    """Raise QuotaExceeded unless an organization may store these new blocks."""
    if blocks:
        new = sum(len(block.value) for block in blocks)
        check_memory(blocks[0].organization_id, by=by, new=new)


def write_locked_blocks(
    writes: Iterable[tuple[Block, BlockFields]], *, by: Actor, base_version: int
) -> None:
    """Change value, description and limit of many isolated blocks in a fixed number of queries.

    The caller is a memory write that holds their locks and has checked the texts.
    """
    changed: list[Block] = []
    growth = 0
    for block, changes in writes:
        length = len(block.value)
        if any(_differs(getattr(block, name), value) for name, value in changes.items()):
            _apply(block, changes, by=by)
            block.updated_at = timezone.now()
            changed.append(block)
            growth += len(block.value) - length
    if changed:
        check_memory(changed[0].organization_id, by=by, new=growth)
    fields = ["value", "description", "limit", "version", "last_updated_by", "updated_at"]
    Block.objects.bulk_update(changed, fields)
    insert_revisions(
        _new_revision(
            block,
            by=by,
            base_version=base_version,
            # A rebase is based on the locked text; a reset replaces whatever was there.
            unconditional=by.source == BlockRevision.Source.RESET,
        )
        for block in changed
    )
    mark_stale(pk__in=[block.conversation_id for block in changed])


@memory_write
def delete_block(block: Block, *, by: Actor, expected_version: int | None = None) -> None:
    """Detach a block from its agents and hide it until `purge` removes it.

    Conversations that isolated its label keep their copies.
    """
    block = lock_block(block, expected_version)
    check_not_isolated(block, "be deleted; release its label there instead")
    end_periods(block.reading_periods.all(), by=by)
    block.agent_links.all().delete()
    block.deleted_at = timezone.now()
    block.last_updated_by = by.member
    block.save(update_fields=["deleted_at", "last_updated_by", "updated_at"])
    record(AuditAction.DELETED, by=by, organization=block.organization_id, about=block)


def check_version(block: Block, expected: int | None) -> None:
    """Raise StaleVersion unless the locked block is at this version; None accepts any."""
    if expected is not None and expected != block.version:
        raise stale_version(block, expected)


def check_not_isolated(block: Block, action: str) -> None:
    """Raise Conflict for an isolated block, which only its conversation may use."""
    if block.is_isolated:
        raise Conflict(
            f"Block '{block.pk}' is isolated in conversation '{block.conversation_id}': "
            f"it can't {action}"
        )


def lock_block(block: Block, expected_version: int | None = None) -> Block:
    """Lock and return the fresh row. Raises NotFound for a deleted one, and StaleVersion."""
    for locked in lock_blocks([block]):
        check_version(locked, expected_version)
        return locked
    raise UnknownId(Block, block.pk)


def lock_blocks(blocks: Iterable[Block]) -> list[Block]:
    """Lock and return the fresh rows of those that are not deleted.

    Lock order: agent, block, IsolatedBlock row, conversation; rows of one table by id. The locks
    allow new foreign keys to the rows, so isolating a label need not wait.
    """
    rows = Block.objects.select_for_update(no_key=True).filter(deleted_at=None)
    return list(rows.filter(pk__in=[block.pk for block in blocks]).order_by("pk"))


def _differs(old: object, new: object) -> bool:
    # In Python 1 == True, even inside metadata; in JSON they differ.
    return old != new or json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True)


def _apply(block: Block, changes: BlockFields, *, by: Actor) -> None:
    """Change a locked row, which the caller saves with its revision."""
    for name, value in changes.items():
        setattr(block, name, value)
    check_text(block, {})
    block.version += 1
    block.last_updated_by = by.member


def check_text(block: Block, changes: BlockFields) -> None:
    """Raise InvalidValue or BlockTooLong if the block with these changes breaks a constraint."""
    limit, value = changes.get("limit", block.limit), changes.get("value", block.value)
    if limit < 1:
        raise InvalidValue("limit", f"expected at least 1 character, got {limit}")
    if len(value) > limit:
        raise BlockTooLong(block.label, len(value), limit)


def _new_revision(
    block: Block,
    *,
    by: Actor,
    reason: str = "",
    conversation: Conversation | None = None,
    unconditional: bool = False,
    restored_number: int | None = None,
    base_version: int | None = None,
) -> BlockRevision:
    """Return an unsaved revision with the present state of the block."""
    return BlockRevision(
        block=block,
        number=block.version,
        value=block.value,
        description=block.description,
        limit=block.limit,
        attributes={name: getattr(block, name) for name in REVISION_ATTRIBUTES},
        source=by.source,
        reason=reason,
        written_by=by.member,
        run=by.run,
        conversation_id=conversation.pk if conversation else block.conversation_id,
        unconditional=unconditional,
        restored_number=restored_number,
        base_version=base_version,
    )


def insert_revisions(revisions: Iterable[BlockRevision]) -> None:
    """Insert revisions in one query and send `block_written` for each."""
    for revision in BlockRevision.objects.bulk_create(revisions):
        arguments = {"block": revision.block, "revision": revision}
        send_on_commit(block_written, Block, **arguments, created=revision.number == 1)


def stale_version(block: Block, expected: int | None) -> StaleVersion:
    """Return the error of a write based on version `expected`, or on the block's absence."""
    then = block.revisions.filter(number=expected or 0).first()
    names = (f"version {expected or 0}", f"version {block.version}")
    return StaleVersion(
        f"Block '{block.pk}'",
        expected=expected,
        version=block.version,
        value=block.value,
        diff=unified(then.value if then else "", block.value, *names),
    )


def _rename(block: Block, label: str, *, by: Actor) -> None:
    check_not_isolated(block, "take another label; it stands in for that one")
    links = AgentBlock.objects.filter(block=block)
    taken = AgentBlock.objects.filter(agent__in=links.values("agent"), label=label).first()
    if taken:
        raise LabelTaken(taken.agent_id, label)
    links.update(label=label)
    now = timezone.now()
    end_periods(block.reading_periods.all(), by=by, at=now)
    begin_periods(links, by=by, at=now)
