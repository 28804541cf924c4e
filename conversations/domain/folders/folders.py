"""Create, update and delete folders; attach them to agents."""

from collections.abc import Iterable
from typing import Any, TypedDict, Unpack

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from ...models import (
    Agent,
    AgentFile,
    AgentFolder,
    Archive,
    AuditAction,
    File,
    Folder,
    Organization,
)
from ..actor import Actor
from ..audit import record
from ..errors import Conflict, InvalidValue, UnknownId
from ..memory.writes import mark_stale, memory_write
from ..model_handles import check_model_handle
from ..tools.attached import attach_tools
from ..tools.catalog import named_tools
from .directories import limits_of

FILE_TOOLS = ["open_files", "grep_files", "semantic_search_files"]
# What prompts have of a folder.
PROMPT_FIELDS = {"name", "description", "instructions"}


class FolderFields(TypedDict, total=False):
    """What a caller may set on a folder."""

    name: str
    description: str | None
    instructions: str | None
    metadata: dict[str, Any] | None


@transaction.atomic
def create_folder(
    organization: Organization,
    *,
    by: Actor,
    embedding: str | None = None,
    **fields: Unpack[FolderFields],
) -> Folder:
    """Create a folder. `embedding` is the handle of the model that embeds its chunks, for good."""
    _check(fields)
    if embedding:
        check_model_handle(embedding)
    authors = {"created_by": by.member, "last_updated_by": by.member}
    archive = Archive.objects.create(
        organization=organization, name=fields["name"], embedding=embedding, **authors
    )
    folder = Folder(organization=organization, archive=archive, **authors, **fields)
    try:
        with transaction.atomic():
            folder.save()
    except IntegrityError:
        raise _name_taken(fields["name"]) from None
    return folder


@memory_write
def update_folder(folder: Folder, *, by: Actor, **changes: Unpack[FolderFields]) -> Folder:
    """Change fields of a folder and return the fresh row."""
    _check(changes)
    locked = lock_folder(folder)
    for name, value in changes.items():
        setattr(locked, name, value)
    locked.last_updated_by = by.member
    try:
        with transaction.atomic():
            locked.save(update_fields=[*changes, "last_updated_by", "updated_at"])
    except IntegrityError:
        raise _name_taken(locked.name) from None
    if PROMPT_FIELDS & changes.keys():
        mark_files_changed(folders=locked)
    return locked


@memory_write
def delete_folder(folder: Folder, *, by: Actor) -> None:
    """Delete a folder with its files, also from agents. Unlike memory, it can't be restored."""
    locked = lock_folder(folder)
    mark_files_changed(folders=locked)
    record(AuditAction.DELETED, by=by, organization=locked.organization_id, about=locked)
    locked.delete()
    Archive.objects.filter(pk=locked.archive_id).delete()


@memory_write
def attach_folder(agent: Agent, folder: Folder, *, by: Actor) -> None:
    """Attach a folder to an agent, and open its first files. Attaching it again changes nothing.

    The agent gets the tools for files.
    """
    attached = Folder.objects.of_agent(agent)
    replace_folders(agent, [*attached, folder], by=by)


@memory_write
def detach_folder(agent: Agent, folder: Folder, *, by: Actor) -> None:
    """Detach a folder and its files from an agent. Detaching it again changes nothing."""
    attached = Folder.objects.of_agent(agent)
    replace_folders(agent, attached.exclude(pk=folder.pk), by=by)


@memory_write
def replace_folders(agent: Agent, folders: Iterable[Folder], *, by: Actor) -> None:
    """Attach these folders to an agent, and no others; open the first files of new ones.

    The agent gets the tools for files. The number of queries is fixed.
    """
    wanted = list(dict.fromkeys(folder.pk for folder in folders))
    # In the order of locks, which uploads follow, too: folders, then agents.
    rows = Folder.objects.filter(Q(pk__in=wanted) | Q(agent_links__agent=agent))
    ids = list(rows.values_list("pk", flat=True).distinct())
    locked = Folder.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)
    known = {folder.pk: folder for folder in locked}
    agent = _lock_agent(agent)
    for pk in wanted:
        if pk not in known or known[pk].organization_id != agent.organization_id:
            raise UnknownId(Folder, pk)
    detached, _ = agent.folder_links.exclude(folder__in=wanted).delete()
    attached = set(agent.folder_links.values_list("folder_id", flat=True))
    new = [pk for pk in wanted if pk not in attached]
    if new:
        links = AgentFolder.objects.bulk_create(
            AgentFolder(agent=agent, folder_id=pk) for pk in new
        )
        _insert_files(agent, links)
        attach_tools(agent, named_tools(agent.organization, FILE_TOOLS))
        agent.last_updated_by = by.member
        agent.save(update_fields=["tool_rules", "last_updated_by", "updated_at"])
    if new or detached:
        mark_files_changed(agent)


def _insert_files(agent: Agent, links: Iterable[AgentFolder]) -> None:
    """Give an agent the files of newly attached folders; open as many as it may have open."""
    by_folder = {link.folder_id: link for link in links}
    files = File.objects.filter(folder__in=by_folder).order_by("created_at", "id")
    free = limits_of(agent).files - agent.file_links.filter(is_open=True).count()
    AgentFile.objects.bulk_create(
        AgentFile(
            agent=agent, folder_link=by_folder[folder_id], file_id=file_id, is_open=number < free
        )
        for number, (file_id, folder_id) in enumerate(files.values_list("pk", "folder_id"))
    )


def mark_files_changed(agent: Agent | None = None, *, folders: Folder | None = None) -> None:
    """Count a change of what prompts have of files, and have default conversations recompiled.

    Of one agent, or of all to which a folder is attached. Call it in a memory write.
    """
    agents = Agent.objects.filter(pk=agent.pk if agent else None)
    if folders is not None:
        agents = Agent.objects.filter(folder_links__folder=folders)
    # In the order of locks.
    locked = agents.order_by("id").select_for_update(no_key=True, of=("self",))
    ids = list(locked.values_list("pk", flat=True))
    if ids:
        Agent.objects.filter(pk__in=ids).update(files_version=F("files_version") + 1)
        mark_stale(agent__in=ids)


def lock_folder(folder: Folder) -> Folder:
    """Lock a folder until the transaction ends. Raises UnknownId if it was deleted."""
    locked = Folder.objects.select_for_update(no_key=True).get_or_none(pk=folder.pk)
    if locked is None:
        raise UnknownId(Folder, folder.pk)
    return locked


def _lock_agent(agent: Agent) -> Agent:
    locked = Agent.objects.live().select_for_update(no_key=True).get_or_none(pk=agent.pk)
    if locked is None:
        raise UnknownId(Agent, agent.pk)
    return locked


def _check(fields: FolderFields) -> None:
    name = fields.get("name")
    if name is not None and not 0 < len(name) <= Folder.MAX_NAME_LENGTH:
        raise InvalidValue(
            "name", f"expected 1 to {Folder.MAX_NAME_LENGTH} characters, got {len(name)}"
        )
    if name is not None and "/" in name:
        raise InvalidValue("name", "expected a name without a slash, which precedes that of a file")


def _name_taken(name: str) -> Conflict:
    return Conflict(f"Another folder has the name {name!r}")
