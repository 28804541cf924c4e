"""Making, editing and deleting blocks. Every edit leaves exactly one revision."""

import json
from collections.abc import Iterable
from typing import TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

from ...models import AgentBlock, Block, BlockRevision, Conversation, Organization
from ..actor import Actor
from ..diffs import unified
from ..errors import (
    BelongsToConversation,
    BlockTooLong,
    InvalidValue,
    LabelTaken,
    NotFound,
    StaleVersion,
)
from .periods import begin_periods, end_periods
from .prompt import recompile_default_conversations

# What a revision keeps besides value, description and limit.
ATTRIBUTES = (
    "label",
    "metadata",
    "read_only",
    "copy_on_write",
    "hidden",
    "tags",
    "is_template",
    "template_name",
    "project_id",
)


class BlockFields(TypedDict, total=False):
    """What a caller may set on a block."""

    label: str
    value: str
    limit: int
    description: str | None
    metadata: dict
    read_only: bool
    copy_on_write: bool
    hidden: bool | None
    tags: list[str]
    is_template: bool
    template_name: str | None
    project_id: str | None


def create_block(
    organization: Organization, *, by: Actor, reason: str = "", **fields: Unpack[BlockFields]
) -> Block:
    """Make an ordinary block. Its creation is revision 1."""
    block = Block(organization=organization, created_by=by.user, last_updated_by=by.user, **fields)
    insert_blocks([block], by=by, reason=reason)
    return block


@transaction.atomic
def insert_blocks(
    blocks: list[Block],
    *,
    by: Actor,
    reason: str = "",
    conversation: Conversation | None = None,
    base_versions: Iterable[int | None] = (),
) -> None:
    """Insert new blocks with their first revisions, in two queries.

    `base_versions` are, for isolated ones, the versions of the shared blocks they begin from.
    """
    for block in blocks:
        _check(block)
    Block.objects.bulk_create(blocks)
    revisions = [
        _revision(block, by=by, reason=reason, conversation=conversation) for block in blocks
    ]
    for revision, base_version in zip(revisions, base_versions, strict=False):
        revision.base_version = base_version
    BlockRevision.objects.bulk_create(revisions)


@transaction.atomic
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
    """Change a block and record the revision. The only way to edit a block.

    Answers the fresh row. A write that changes nothing leaves no revision, whatever version it
    was based on. Otherwise, if `expected_version` is given and the block has moved on, raises
    StaleVersion and nothing is written.
    """
    # Two turns may edit a shared block at once: the lock makes them take turns, so revision
    # numbers have no gaps and nobody writes over what they have not seen.
    block = lock_block(block)
    changed = {name for name, value in changes.items() if _differs(getattr(block, name), value)}
    if not changed:
        return block
    check_version(block, expected_version)
    if "label" in changed:
        _relabel(block, changes["label"], by=by)
    _apply(block, changes, by=by)
    block.save(update_fields=[*changed, "version", "last_updated_by", "updated_at"])
    revision = _revision(block, by=by, reason=reason, conversation=conversation)
    revision.unconditional = expected_version is None
    revision.restored_number = restored_number
    revision.base_version = base_version
    revision.save()
    # Also after an edit that no prompt shows: whether a prompt is stale is told by the version.
    recompile_default_conversations(_agents_whose_default_reads(block))
    return block


def write_locked_blocks(
    writes: Iterable[tuple[Block, BlockFields]], *, by: Actor, base_version: int
) -> None:
    """`write_block` for many isolated blocks, in a number of queries that does not grow with them.

    For texts that were checked: value, description and limit. The caller holds the locks.
    """
    changed = []
    for block, changes in writes:
        if any(_differs(getattr(block, name), value) for name, value in changes.items()):
            _apply(block, changes, by=by)
            block.updated_at = timezone.now()
            changed.append(block)
    fields = ["value", "description", "limit", "version", "last_updated_by", "updated_at"]
    Block.objects.bulk_update(changed, fields)
    revisions = [_revision(block, by=by, reason="", conversation=None) for block in changed]
    for revision in revisions:
        revision.base_version = base_version
        # A merge was made upon the locked text; a reset takes away whatever was there.
        revision.unconditional = by.source == BlockRevision.Source.RESET
    BlockRevision.objects.bulk_create(revisions)
    owners = Conversation.objects.filter(own_blocks__in=changed, is_default=True)
    recompile_default_conversations(owners.values_list("agent", flat=True))


@transaction.atomic
def delete_block(block: Block, *, by: Actor, expected_version: int | None = None) -> None:
    """Take an ordinary block away from its agents and out of sight, until `purge` removes it.

    Conversations that isolated its label keep their copies.
    """
    block = lock_block(block)
    check_version(block, expected_version)
    if block.is_isolated:
        raise BelongsToConversation(
            block.pk, block.conversation_id, "be deleted; release its label there instead"
        )
    agents = list(block.agent_links.values_list("agent", flat=True))
    end_periods(block.reading_periods.all(), by=by)
    block.agent_links.all().delete()
    block.deleted_at = timezone.now()
    block.last_updated_by = by.user
    block.save(update_fields=["deleted_at", "last_updated_by", "updated_at"])
    recompile_default_conversations(agents)


def check_version(block: Block, expected: int | None) -> None:
    """Raise StaleVersion unless the block, whose lock is held, is at this version; any for None."""
    if expected is not None and expected != block.version:
        raise stale_version(block, expected)


def lock_block(block: Block) -> Block:
    """The fresh row, held until the transaction ends; NotFound if it was deleted meanwhile."""
    for locked in lock_blocks([block]):
        return locked
    raise NotFound(f"Block with id '{block.pk}' not found")


def lock_blocks(blocks: Iterable[Block]) -> list[Block]:
    """The fresh rows of those that are not deleted, held until the transaction ends.

    Locks go agent, block, isolated-block row, conversation, and rows of one kind by id. These
    leave foreign keys to the rows usable, so that isolating a label need not wait.
    """
    rows = Block.objects.select_for_update(no_key=True).filter(deleted_at=None)
    return list(rows.filter(pk__in=[block.pk for block in blocks]).order_by("pk"))


def _differs(old: object, new: object) -> bool:
    # In Python 1 == True, also inside of metadata; in JSON they are two values.
    return old != new or json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True)


def _apply(block: Block, changes: BlockFields, *, by: Actor) -> None:
    """Make an edit of a locked row, which the caller then saves with its revision."""
    for name, value in changes.items():
        setattr(block, name, value)
    _check(block)
    block.version += 1
    block.last_updated_by = by.user


def check_text(block: Block, changes: BlockFields) -> None:
    """Raise unless the block could take these changes: its constraints, in the caller's words."""
    limit, value = changes.get("limit", block.limit), changes.get("value", block.value)
    if limit < 1:
        raise InvalidValue("limit", f"expected at least 1 character, got {limit}")
    if len(value) > limit:
        raise BlockTooLong(block.label, len(value), limit)


def _check(block: Block) -> None:
    check_text(block, {})


def _revision(
    block: Block, *, by: Actor, reason: str, conversation: Conversation | None
) -> BlockRevision:
    """An unsaved revision: what `block` says now."""
    return BlockRevision(
        block=block,
        number=block.version,
        value=block.value,
        description=block.description,
        limit=block.limit,
        attributes={name: getattr(block, name) for name in ATTRIBUTES},
        source=by.source,
        reason=reason,
        written_by=by.user,
        run=by.run,
        conversation_id=conversation.pk if conversation else block.conversation_id,
    )


def stale_version(block: Block, expected: int | None) -> StaleVersion:
    """The error of a write that was based on version `expected`, or on there being no block."""
    then = block.revisions.filter(number=expected or 0).first()
    names = (f"version {expected or 0}", f"version {block.version}")
    return StaleVersion(
        f"Block '{block.pk}'",
        expected=expected,
        version=block.version,
        value=block.value,
        diff=unified(then.value if then else "", block.value, *names),
    )


def _relabel(block: Block, label: str, *, by: Actor) -> None:
    if block.is_isolated:
        raise BelongsToConversation(
            block.pk, block.conversation_id, "take another label; it stands in for that one"
        )
    links = AgentBlock.objects.filter(block=block)
    taken = AgentBlock.objects.filter(agent__in=links.values("agent"), label=label).first()
    if taken:
        raise LabelTaken(taken.agent_id, label)
    links.update(label=label)
    now = timezone.now()
    end_periods(block.reading_periods.all(), by=by, at=now)
    begin_periods(links, by=by, at=now)


def _agents_whose_default_reads(block: Block) -> Iterable[str]:
    if block.conversation_id is not None:
        owner = Conversation.objects.filter(pk=block.conversation_id, is_default=True)
        return owner.values_list("agent", flat=True)
    return block.agent_links.values_list("agent", flat=True)
