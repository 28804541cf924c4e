"""Insert and delete passages."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NotRequired, TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

from ...models import Agent, Archive, AuditAction, File, Passage
from ...models.archives import PassageQuerySet
from ..actor import Actor
from ..audit import record
from ..errors import InvalidValue, UnknownId
from ..quotas import check_memory
from .archives import archive_of

MAX_TAGS = 100
MAX_TAG_LENGTH = 200


class PassageFields(TypedDict):
    """What a caller may set on a passage."""

    text: str
    tags: NotRequired[list[str]]
    metadata: NotRequired[dict[str, Any]]
    created_at: NotRequired[datetime]


class PassageChanges(TypedDict, total=False):
    """What an operator may change of a passage."""

    text: str
    tags: list[str]
    metadata: dict[str, Any]


@transaction.atomic
def insert_passages(
    archive: Archive, passages: Iterable[PassageFields], *, by: Actor, file: File | None = None
) -> list[Passage]:
    """Insert passages, whose vectors follow after the transaction.

    They are chunks of `file` in the archive of its folder.
    """
    now = timezone.now()
    rows = [_passage(archive, fields, by=by, now=now) for fields in passages]
    for row in rows:
        row.file = file
    check_memory(archive.organization_id, by=by, new=sum(len(row.text) for row in rows))
    Passage.objects.bulk_create(rows)
    return rows


@transaction.atomic
def insert_for_agent(agent: Agent, passage: PassageFields, *, by: Actor) -> Passage:
    """Insert a passage into the archive of an agent, which is created if there is none."""
    [row] = insert_passages(archive_of(agent, by=by), [passage], by=by)
    return row


@transaction.atomic
def update_passage(passage: Passage, *, by: Actor, **changes: Unpack[PassageChanges]) -> Passage:
    """Change a passage and return the fresh row. A new text gets another vector."""
    _check(changes)
    rows: PassageQuerySet = Passage.objects.all()
    locked = rows.live().select_for_update(of=("self",), no_key=True).get_or_none(pk=passage.pk)
    if locked is None:
        raise UnknownId(Passage, passage.pk)
    if "text" in changes and changes["text"] != locked.text:
        is_due = locked.archive.embedding and changes["text"].strip()
        locked.embedding = locked.dimensions = None
        locked.embed_attempts, locked.embed_at = 0, timezone.now() if is_due else None
    for name, value in changes.items():
        setattr(locked, name, value)
    locked.last_updated_by = by.member
    columns = ["embedding", "dimensions", "embed_attempts", "embed_at"]
    vector = columns if "text" in changes else []
    locked.save(update_fields=[*changes, *vector, "last_updated_by", "updated_at"])
    return locked


@transaction.atomic
def delete_passage(passage: Passage, *, by: Actor) -> None:
    """Hide a passage until `purge` removes it."""
    rows = Passage.objects.filter(pk=passage.pk, deleted_at=None)
    now = timezone.now()
    if not rows.update(deleted_at=now, updated_at=now, last_updated_by=by.member):
        raise UnknownId(Passage, passage.pk)
    record(AuditAction.DELETED, by=by, organization=passage.organization_id, about=passage)


@transaction.atomic
def restore_passage(passage: Passage, *, by: Actor) -> None:
    """Restore a deleted passage."""
    rows = Passage.objects.filter(pk=passage.pk)
    rows.update(deleted_at=None, updated_at=timezone.now(), last_updated_by=by.member)
    record(AuditAction.RESTORED, by=by, organization=passage.organization_id, about=passage)


def _passage(archive: Archive, fields: PassageFields, *, by: Actor, now: datetime) -> Passage:
    _check(fields)
    text = fields["text"]
    return Passage(
        organization_id=archive.organization_id,
        archive=archive,
        text=text,
        tags=list(dict.fromkeys(fields.get("tags") or [])),
        metadata=fields.get("metadata") or {},
        created_at=fields.get("created_at") or now,
        created_by=by.member,
        last_updated_by=by.member,
        embed_at=now if archive.embedding and text.strip() else None,
    )


def _check(fields: PassageFields | PassageChanges) -> None:
    text, tags = fields.get("text", ""), fields.get("tags") or []
    if len(text) > Passage.MAX_LENGTH:
        raise InvalidValue(
            "text", f"expected at most {Passage.MAX_LENGTH} characters, got {len(text)}"
        )
    if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG_LENGTH for tag in tags):
        raise InvalidValue(
            "tags", f"expected at most {MAX_TAGS} tags of at most {MAX_TAG_LENGTH} characters"
        )
