"""Folders and their files in agent files."""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Sum
from django.db.models.functions import Length

from ...domain.actor import Actor
from ...domain.errors import InvalidArgument
from ...domain.folders.directories import limits_of
from ...domain.folders.files import store_failure, store_text, upload_file
from ...domain.folders.folders import attach_folder
from ...domain.folders.open_files import Opening, close_files, name_of, open_files
from ...llm.embeddings import embedding_dimensions
from ...models import Agent, Archive, File, Folder, Organization
from ...models import AgentFile as FileLink
from .fields import wrong
from .model import EmbeddingConfig, FileFile, FileFolder, FileOfAgent
from .parse import AgentFile, ImportedAgent

# Of the texts in one agent file, in characters; a file that is imported has a maximum, too.
MAX_CHARACTERS = 32 * 2**20


@dataclass
class StoredFolders:
    """The folders and files that an import has created, by the ids in the agent file."""

    folders: dict[str, Folder] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)


def store_folders(organization: Organization, file: AgentFile, *, by: Actor) -> StoredFolders:
    """Create the folders and files. Chunks get their vectors after the transaction."""
    stored = StoredFolders()
    for folder in file.folders.values():
        stored.folders[folder.id] = _store_folder(organization, folder, by=by)
    for each in file.files.values():
        folder = file.folders[each.source_id]
        name = (each.file_name or each.original_file_name or each.id).removeprefix(
            f"{folder.name}/"
        )
        content = each.content
        row = upload_file(
            stored.folders[folder.id],
            name.replace("/", "_")[: File.MAX_NAME_LENGTH],
            (content or "").encode(),
            by=by,
            media_type=each.file_type,
        )
        if content is None:
            store_failure(row.pk, each.error_message or "The agent file did not have its text")
        else:
            store_text(row.pk, content)
        stored.files[each.id] = row
    return stored


def _store_folder(organization: Organization, folder: FileFolder, *, by: Actor) -> Folder:
    """Create a folder, with a number behind its name if that is taken."""
    wanted = folder.name.replace("/", "_")
    if not wanted:
        raise wrong(f"sources.{folder.id}.name", "a name", folder.name)
    names = Folder.objects.in_organization(organization).filter(name__startswith=wanted[:190])
    taken, name, number = set(names.values_list("name", flat=True)), wanted, 0
    while name in taken:
        number += 1
        name = f"{wanted[:190]}_({number})"
    authors: dict[str, Any] = {"created_by": by.member, "last_updated_by": by.member}
    # The model's provider may be configured later, as that of an agent.
    handle = folder.embedding or (folder.embedding_config or EmbeddingConfig()).handle
    archive = Archive.objects.create(
        organization=organization, name=name, embedding=handle, **authors
    )
    return Folder.objects.create(
        organization=organization,
        archive=archive,
        **authors,
        **folder.columns(Folder) | {"name": name},
    )


def attach_folders(
    agent: Agent, imported: ImportedAgent, stored: StoredFolders, *, by: Actor
) -> None:
    """Attach the folders of an agent, and open the files that it had open."""
    if not imported.folder_ids:
        return
    for folder_id in imported.folder_ids:
        attach_folder(agent, stored.folders[folder_id], by=by)
    close_files(agent)
    links = {link.file_id: link for link in agent.file_links.all()}
    openings = []
    for each in imported.files:
        link = links.get(stored.files[each.file_id].pk)
        if each.is_open and link is not None:
            start, end = each.start_line, each.end_line
            length = None if end is None else max(end - (start or 0), 0)
            openings.append(Opening(link, start, length))
    open_files(agent, openings[: limits_of(agent).files])


def exported_folders(agent: Agent, ids: dict[str, str]) -> tuple[list[FileFolder], list[FileFile]]:
    """Return the folders of an agent, and their files.

    Raises InvalidArgument if their texts are too long for one agent file.
    """
    folders = list(Folder.objects.of_agent(agent).select_related("archive"))
    files = File.objects.filter(folder__in=folders).order_by("created_at", "id")
    size = files.aggregate(n=Sum(Length("content")))["n"] or 0
    if size > MAX_CHARACTERS:
        raise InvalidArgument(
            f"The files of the agent's folders have {size} characters, more than the "
            f"{MAX_CHARACTERS} that fit into an agent file; detach folders before"
        )
    rows = files.defer(None).defer("upload").select_related("folder")
    return [_folder(folder, ids) for folder in folders], [_file(file, ids) for file in rows]


def _folder(folder: Folder, ids: dict[str, str]) -> FileFolder:
    handle = folder.archive.embedding
    config = None
    if handle:
        model = handle.partition("/")[2]
        config = EmbeddingConfig(
            handle=handle,
            embedding_model=model,
            embedding_endpoint_type="openai",
            embedding_dim=embedding_dimensions(model),
        )
    return FileFolder.from_row(folder, id=ids[folder.pk], embedding=handle, embedding_config=config)


def _file(file: File, ids: dict[str, str]) -> FileFile:
    return FileFile.model_construct(
        id=ids[file.pk],
        source_id=ids[file.folder_id],
        file_name=name_of(file),
        original_file_name=file.original_name,
        file_type=file.media_type,
        file_size=file.size,
        processing_status="completed" if file.content is not None else "error",
        error_message=file.error or None,
        content=file.content,
    )


def exported_links(agent: Agent, ids: dict[str, str]) -> dict[str, list[Any]]:
    """Return the values of an agent's `source_ids` and `files_agents`."""
    links = FileLink.objects.filter(agent=agent).in_prompt_order().select_related("file__folder")
    return {
        "source_ids": [ids[folder.pk] for folder in Folder.objects.of_agent(agent)],
        "files_agents": [
            FileOfAgent.model_construct(
                id=ids[link.pk],
                agent_id=ids[agent.pk],
                file_id=ids[link.file_id],
                source_id=ids[link.file.folder_id],
                file_name=name_of(link.file),
                is_open=link.is_open,
                start_line=link.start_line,
                end_line=link.end_line,
            )
            for link in links
        ],
    }
