"""JSON of folders, their files, and the files of agents."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from ...domain.folders.open_files import name_of, text_of
from ...models import Agent, AgentFile, File, FileStatus, Folder
from .embeddings import EmbeddingConfigJSON, embedding_config_json
from .fields import JSONObject, attributes


class FolderAttributes(TypedDict):
    """What a folder stores."""

    id: str
    organization_id: str
    name: str
    description: str | None
    instructions: str | None
    metadata: JSONObject | None
    created_at: datetime
    updated_at: datetime
    created_by_id: str | None
    last_updated_by_id: str | None


class FolderJSON(FolderAttributes):
    """A folder as the client's `Folder` type reads it."""

    vector_db_provider: Literal["native"]
    embedding_config: EmbeddingConfigJSON | None


class FolderMetadataJSON(TypedDict):
    """The counts of an organization's folders and files."""

    total_sources: int
    total_files: int
    total_size: Annotated[int, Field(description="In bytes.")]
    sources: list["FolderStatsJSON"]


class FolderStatsJSON(TypedDict):
    """The counts of a folder."""

    source_id: str
    source_name: str
    file_count: int
    total_size: int


class FileJSON(TypedDict):
    """A file as the client reads it."""

    id: str
    organization_id: str
    source_id: Annotated[str, Field(description="The folder.")]
    file_name: str
    original_file_name: str
    file_path: None
    file_type: str
    file_size: int
    file_creation_date: None
    file_last_modified_date: None
    processing_status: Literal["parsing", "embedding", "completed", "error"]
    error_message: str | None
    total_chunks: int | None
    chunks_embedded: int | None
    content: Annotated[str | None, Field(description="Only with `include_content`.")]
    created_at: datetime
    updated_at: datetime


class AgentFileJSON(TypedDict):
    """A file of an agent."""

    id: str
    file_id: str
    file_name: Annotated[str, Field(description="As the agent knows it: folder/file.")]
    folder_id: str
    folder_name: str
    is_open: bool
    last_accessed_at: datetime
    visible_content: Annotated[str | None, Field(description="What the agent reads if it is open.")]
    start_line: int | None
    end_line: int | None


class AgentFilesJSON(TypedDict):
    """A page of the files of an agent."""

    files: list[AgentFileJSON]
    next_cursor: str | None
    has_more: bool


def folder_json(folder: Folder) -> FolderJSON:
    """Return the JSON of a folder whose archive was loaded with it."""
    handle = folder.archive.embedding
    return {
        **attributes(FolderAttributes, folder),
        "vector_db_provider": "native",
        "embedding_config": embedding_config_json(handle) if handle else None,
    }


def file_json(file: File, *, name: str | None = None, with_content: bool = False) -> FileJSON:
    """Return the JSON of a file that was loaded `with_progress`.

    Args:
        file: The file.
        name: Replaces its name.
        with_content: Include the text.
    """
    pending: int = getattr(file, "pending", 0)
    return {
        "id": file.pk,
        "organization_id": file.organization_id,
        "source_id": file.folder_id,
        "file_name": name or file.name,
        "original_file_name": file.original_name,
        "file_path": None,
        "file_type": file.media_type,
        "file_size": file.size,
        "file_creation_date": None,
        "file_last_modified_date": None,
        "processing_status": _status(file, pending),
        "error_message": file.error or None,
        "total_chunks": file.chunks,
        "chunks_embedded": None if file.chunks is None else file.chunks - pending,
        "content": file.content if with_content else None,
        "created_at": file.created_at,
        "updated_at": file.updated_at,
    }


def _status(file: File, pending: int) -> Literal["parsing", "embedding", "completed", "error"]:
    if file.status == FileStatus.ERROR:
        return "error"
    if file.status == FileStatus.PARSING:
        return "parsing"
    return "embedding" if pending else "completed"


def agent_file_json(agent: Agent, link: AgentFile) -> AgentFileJSON:
    """Return the JSON of a file of an agent, loaded `with_content`."""
    return {
        "id": link.pk,
        "file_id": link.file_id,
        "file_name": name_of(link.file),
        "folder_id": link.file.folder_id,
        "folder_name": link.file.folder.name,
        "is_open": link.is_open,
        "last_accessed_at": link.accessed_at,
        "visible_content": text_of(agent, link) if link.is_open else None,
        "start_line": link.start_line,
        "end_line": link.end_line,
    }
