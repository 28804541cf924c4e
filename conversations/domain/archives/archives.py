"""Create, update and delete archives; attach them to agents."""

from typing import Any, TypedDict, Unpack

from django.db import IntegrityError, transaction
from django.utils import timezone

from ...models import Agent, AgentArchive, Archive, AuditAction, Organization
from ..actor import Actor
from ..audit import record
from ..errors import Conflict, InvalidValue, UnknownId
from ..model_handles import check_model_handle

MAX_NAME_LENGTH = 200
DEFAULT_DESCRIPTION = "Default archive created automatically"


class ArchiveFields(TypedDict, total=False):
    """What a caller may set on an archive. The embedding model never changes afterwards."""

    name: str
    description: str | None
    embedding: str | None
    metadata: dict[str, Any] | None


class ArchiveTaken(Conflict):
    """The agent already has another archive."""

    def __init__(self, agent_id: str, archive_id: str):
        super().__init__(
            f"Agent '{agent_id}' already has the archive '{archive_id}'; detach that one first"
        )


@transaction.atomic
def create_archive(
    organization: Organization, *, by: Actor, **fields: Unpack[ArchiveFields]
) -> Archive:
    """Create an archive."""
    _check(fields)
    if handle := fields.get("embedding"):
        check_model_handle(handle)
    authors = {"created_by": by.member, "last_updated_by": by.member}
    return Archive.objects.create(organization=organization, **authors, **fields)


@transaction.atomic
def update_archive(archive: Archive, *, by: Actor, **changes: Unpack[ArchiveFields]) -> Archive:
    """Change fields of an archive and return the fresh row."""
    _check(changes)
    archive = _lock(archive)
    for name, value in changes.items():
        setattr(archive, name, value)
    _save(archive, *changes, by=by)
    return archive


@transaction.atomic
def delete_archive(archive: Archive, *, by: Actor) -> None:
    """Hide an archive and its passages until `purge` removes them."""
    archive = _lock(archive)
    archive.deleted_at = timezone.now()
    _save(archive, "deleted_at", by=by)
    record(AuditAction.DELETED, by=by, organization=archive.organization_id, about=archive)


@transaction.atomic
def restore_archive(archive: Archive, *, by: Actor) -> Archive:
    """Restore a deleted archive with the passages that were not deleted on their own."""
    archive = _lock(archive, deleted=True)
    archive.deleted_at = None
    _save(archive, "deleted_at", by=by)
    record(AuditAction.RESTORED, by=by, organization=archive.organization_id, about=archive)
    return archive


@transaction.atomic
def attach_archive(agent: Agent, archive: Archive, *, is_owner: bool = False) -> AgentArchive:
    """Attach an archive to an agent, which has one at most. Attaching it again changes nothing."""
    _lock(archive)
    link = AgentArchive.objects.select_related("archive").filter(agent=agent).first()
    if link is not None and link.archive.deleted_at is not None:
        link.delete()
        link = None
    if link is None:
        try:
            with transaction.atomic():
                return AgentArchive.objects.create(agent=agent, archive=archive, is_owner=is_owner)
        except IntegrityError:  # Another request attached one meanwhile.
            link = AgentArchive.objects.get(agent=agent)
    if link.archive_id != archive.pk:
        raise ArchiveTaken(agent.pk, link.archive_id)
    return link


def detach_archive(agent: Agent, archive: Archive) -> None:
    """Detach an archive from an agent. The archive stays; detaching it again changes nothing."""
    AgentArchive.objects.filter(agent=agent, archive=archive).delete()


def find_archive(agent: Agent) -> Archive | None:
    """Return the archive that is attached to an agent, or None."""
    return Archive.objects.live().filter(agent_links__agent=agent).first()


@transaction.atomic
def archive_of(agent: Agent, *, by: Actor) -> Archive:
    """Return the archive of an agent; create it if there is none."""
    archive = find_archive(agent)
    if archive is not None:
        return archive
    authors = {"created_by": by.member, "last_updated_by": by.member}
    archive = Archive.objects.create(
        organization_id=agent.organization_id,
        name=f"{agent.name[: MAX_NAME_LENGTH - 10]}'s Archive",
        description=DEFAULT_DESCRIPTION,
        embedding=agent.embedding,
        **authors,
    )
    try:
        attach_archive(agent, archive, is_owner=True)
    except ArchiveTaken:  # Another request created one meanwhile.
        archive.delete()
        return Archive.objects.get(agent_links__agent=agent)
    return archive


def _check(fields: ArchiveFields) -> None:
    name = fields.get("name")
    if name is not None and not 0 < len(name) <= MAX_NAME_LENGTH:
        raise InvalidValue("name", f"expected 1 to {MAX_NAME_LENGTH} characters, got {len(name)}")


def _lock(archive: Archive, *, deleted: bool = False) -> Archive:
    rows = Archive.objects.select_for_update(no_key=True, of=("self",))
    locked = (rows if deleted else rows.live()).get_or_none(pk=archive.pk)
    if locked is None:
        raise UnknownId(Archive, archive.pk)
    return locked


def _save(archive: Archive, *fields: str, by: Actor) -> None:
    archive.last_updated_by = by.member
    archive.save(update_fields=[*fields, "last_updated_by", "updated_at"])
