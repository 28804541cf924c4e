"""Insert and delete passages."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NotRequired, TypedDict

from django.db import transaction
from django.utils import timezone

from ...models import Agent, Archive, Passage
from ..actor import Actor
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


@transaction.atomic
def insert_passages(
    archive: Archive, passages: Iterable[PassageFields], *, by: Actor
) -> list[Passage]:
    """Insert passages, whose vectors follow after the transaction."""
    now = timezone.now()
    rows = [_passage(archive, fields, by=by, now=now) for fields in passages]
    check_memory(archive.organization_id, by=by, new=sum(len(row.text) for row in rows))
    Passage.objects.bulk_create(rows)
    return rows


@transaction.atomic
def insert_for_agent(agent: Agent, passage: PassageFields, *, by: Actor) -> Passage:
    """Insert a passage into the archive of an agent, which is created if there is none."""
    [row] = insert_passages(archive_of(agent, by=by), [passage], by=by)
    return row


def delete_passage(passage: Passage, *, by: Actor) -> None:
    """Hide a passage until `purge` removes it."""
    rows = Passage.objects.filter(pk=passage.pk, deleted_at=None)
    now = timezone.now()
    if not rows.update(deleted_at=now, updated_at=now, last_updated_by=by.member):
        raise UnknownId(Passage, passage.pk)


def restore_passage(passage: Passage, *, by: Actor) -> None:
    """Restore a deleted passage."""
    rows = Passage.objects.filter(pk=passage.pk)
    rows.update(deleted_at=None, updated_at=timezone.now(), last_updated_by=by.member)


def _passage(archive: Archive, fields: PassageFields, *, by: Actor, now: datetime) -> Passage:
    text, tags = fields["text"], list(dict.fromkeys(fields.get("tags") or []))
    if len(text) > Passage.MAX_LENGTH:
        raise InvalidValue(
            "text", f"expected at most {Passage.MAX_LENGTH} characters, got {len(text)}"
        )
    if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG_LENGTH for tag in tags):
        raise InvalidValue(
            "tags", f"expected at most {MAX_TAGS} tags of at most {MAX_TAG_LENGTH} characters"
        )
    return Passage(
        organization_id=archive.organization_id,
        archive=archive,
        text=text,
        tags=tags,
        metadata=fields.get("metadata") or {},
        created_at=fields.get("created_at") or now,
        created_by=by.member,
        last_updated_by=by.member,
        embed_at=now if archive.embedding and text.strip() else None,
    )
