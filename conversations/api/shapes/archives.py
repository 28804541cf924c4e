"""JSON of archives and passages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from ...domain.archives.memory import FoundMemory
from ...domain.archives.search import FoundPassage
from ...models import Archive, Passage
from .embeddings import EmbeddingConfigJSON, embedding_config_json
from .fields import JSONObject, attributes


class ArchiveAttributes(TypedDict):
    """What an archive stores."""

    id: str
    organization_id: str
    name: str
    description: str | None
    metadata: JSONObject | None
    created_at: datetime
    updated_at: datetime
    created_by_id: str | None
    last_updated_by_id: str | None


class ArchiveJSON(ArchiveAttributes):
    """An archive as the client's `Archive` type reads it."""

    vector_db_provider: Literal["native"]
    embedding_config: EmbeddingConfigJSON | None


class PassageAttributes(TypedDict):
    """What a passage stores."""

    id: str
    organization_id: str
    archive_id: str
    text: str
    tags: list[str]
    metadata: JSONObject
    created_at: datetime
    updated_at: datetime
    created_by_id: str | None
    last_updated_by_id: str | None


class PassageJSON(PassageAttributes):
    """A passage as the client's `Passage` type reads it."""

    is_deleted: Literal[False]
    source_id: None
    file_id: None
    file_name: None
    embedding: Annotated[
        list[float] | None,
        Field(description="The vector; lists have it only with `include_embedding`."),
    ]
    embedding_config: EmbeddingConfigJSON | None


class FoundPassageJSON(TypedDict):
    """A result of POST /v1/passages/search."""

    passage: PassageJSON
    score: float
    metadata: JSONObject


class FoundMemoriesJSON(TypedDict):
    """The results of a search in an agent's archive."""

    results: list[FoundMemory]
    count: int


class DeletedPassageJSON(TypedDict):
    """V1's confirmation of a deletion."""

    message: str


def archive_json(archive: Archive) -> ArchiveJSON:
    """Return the JSON of an archive."""
    return {
        **attributes(ArchiveAttributes, archive),
        "vector_db_provider": "native",
        "embedding_config": embedding_config_json(archive.embedding) if archive.embedding else None,
    }


def passage_json(passage: Passage, *, with_vector: bool = False) -> PassageJSON:
    """Return the JSON of a passage whose archive was loaded with it."""
    handle = passage.archive.embedding
    vector = passage.embedding if with_vector else None
    return {
        **attributes(PassageAttributes, passage),
        "is_deleted": False,
        "source_id": None,
        "file_id": None,
        "file_name": None,
        "embedding": None if vector is None else list(vector),
        "embedding_config": embedding_config_json(handle) if handle else None,
    }


def found_passages_json(found: Sequence[FoundPassage]) -> list[FoundPassageJSON]:
    """Return the JSON of the results of a search."""
    return [
        {"passage": passage_json(passage), "score": score, "metadata": {}}
        for passage, score in found
    ]


def found_memories_json(found: list[FoundMemory]) -> FoundMemoriesJSON:
    """Return the JSON of the results of a search in an agent's archive."""
    return {"results": found, "count": len(found)}
