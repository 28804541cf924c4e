"""Folders and their files in agent files."""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Sum
from django.db.models.functions import Length

from ...domain.actor import Actor
from ...domain.archives.passages import insert_passages
from ...domain.batches import BATCH_SIZE
from ...domain.errors import InvalidArgument
from ...domain.folders.chunks import chunks_of
from ...domain.folders.directories import limits_of
from ...domain.folders.folders import replace_folders
from ...domain.folders.open_files import Opening, close_files, name_of, open_files
from ...llm.embeddings import embedding_dimensions
from ...models import Agent, Archive, File, FileStatus, Folder, Organization, Passage
from ...models import AgentFile as FileLink
from .fields import wrong
from .model import EmbeddingConfig, FileFile, FileFolder, FileOfAgent
from .parse import AgentFile, ImportedAgent

# Of the texts in one agent file, in characters; a file that is imported has a maximum, too.
MAX_CHARACTERS = 32 * 2**20
NO_TEXT = "The agent file did not have its text"


@dataclass
class StoredFolders:
    """The folders and files that an import has created, by the ids in the agent file."""

    folders: dict[str, Folder] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)


def store_folders(organization: Organization, file: AgentFile, *, by: Actor) -> StoredFolders:
    """Create the folders and files. Chunks get their vectors after the transaction."""
    stored = StoredFolders()
    for folder in file.folders.values():
        row = _store_folder(organization, folder, by=by)
        stored.folders[folder.id] = row
        given = [each for each in file.files.values() if each.source_id == folder.id]
        stored.files |= _store_files(row, given, f"{folder.name}/", by=by)
    return stored


def _store_files(
    folder: Folder, given: list[FileFile], prefix: str, *, by: Actor
) -> dict[str, File]:
    """Create the files of a folder with their chunks; return them by their ids in the file."""
    rows: dict[str, File] = {}
    chunks: list[tuple[File, str]] = []
    names: set[str] = set()
    for each in given:
        original = each.original_file_name or each.file_name or each.id
        name = (each.file_name or original).removeprefix(prefix) or each.id
        name = _free_name(name.replace("/", "_"), names, File.MAX_NAME_LENGTH)
        names.add(name)
        texts = chunks_of(each.content or "")
        row = File(
            organization_id=folder.organization_id,
            folder=folder,
            name=name,
            original_name=original[-File.MAX_NAME_LENGTH :],
            media_type=each.file_type,
            size=len((each.content or "").encode()) if each.file_size is None else each.file_size,
            content=each.content,
            status=FileStatus.ERROR if each.content is None else FileStatus.PARSED,
            error=(each.error_message or NO_TEXT) if each.content is None else "",
            chunks=None if each.content is None else len(texts),
            created_by=by.member,
            last_updated_by=by.member,
        )
        rows[each.id] = row
        chunks += ((row, text) for text in texts)
    File.objects.bulk_create(rows.values(), batch_size=BATCH_SIZE)
    passages = insert_passages(folder.archive, [{"text": text} for _, text in chunks], by=by)
    for passage, (row, _) in zip(passages, chunks, strict=True):
        passage.file = row
    Passage.objects.bulk_update(passages, ["file"], batch_size=BATCH_SIZE)
    return rows


def _free_name(wanted: str, taken: set[str], max_length: int) -> str:
    """Return the name, cut to its maximum length, with a number behind it if it is taken."""
    wanted, number = wanted[: max_length - 10], 0
    name = wanted
    while name in taken:
        number += 1
        name = f"{wanted}_({number})"
    return name


def _store_folder(organization: Organization, folder: FileFolder, *, by: Actor) -> Folder:
    """Create a folder, with a number behind its name if that is taken."""
    wanted = folder.name.replace("/", "_")
    if not wanted:
        raise wrong(f"sources.{folder.id}.name", "a name", folder.name)
    names = Folder.objects.in_organization(organization).values_list("name", flat=True)
    name = _free_name(wanted, set(names), Folder.MAX_NAME_LENGTH)
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
    replace_folders(agent, [stored.folders[each] for each in imported.folder_ids], by=by)
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
