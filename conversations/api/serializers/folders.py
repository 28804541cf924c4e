"""Request bodies, forms and queries of folders and files."""

from typing import Any

from rest_framework import serializers

from ...domain.folders.files import Duplicate
from ...models import Folder
from .archives import EmbeddingConfig, embedding_handle
from .fields import (
    OPTIONAL,
    Input,
    PageQuery,
    StrictBoolean,
    StrictChoice,
    StrictInteger,
    StrictObject,
    StrictString,
)


class CreateFolderBody(Input):
    """The body of POST /v1/folders/."""

    ignored_fields = {"embedding_chunk_size": "the server determines the size of chunks"}

    name = StrictString(allow_blank=False, max_length=Folder.MAX_NAME_LENGTH)
    description = StrictString(**OPTIONAL)
    instructions = StrictString(**OPTIONAL, help_text="How agents use the folder.")
    metadata = StrictObject(**OPTIONAL)
    embedding = StrictString(
        **OPTIONAL,
        max_length=200,
        help_text="A handle: provider/model. Without it, search is by words.",
    )
    embedding_config = EmbeddingConfig(**OPTIONAL)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        config = attrs.pop("embedding_config", None)
        if config and not attrs.get("embedding"):
            attrs["embedding"] = embedding_handle(config)
        return attrs


class UpdateFolderBody(Input):
    """The body of PATCH /v1/folders/{id}; absent fields keep their values."""

    ignored_fields = {"embedding_config": "the embedding model of a folder never changes"}

    name = StrictString(**OPTIONAL, allow_blank=False, max_length=Folder.MAX_NAME_LENGTH)
    description = StrictString(**OPTIONAL)
    instructions = StrictString(**OPTIONAL)
    metadata = StrictObject(**OPTIONAL)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in attrs.items() if name != "name" or value is not None}


class ListFoldersQuery(PageQuery):
    """The query of GET /v1/folders/."""

    name = StrictString(required=False)


class UploadQuery(Input):
    """The query of POST /v1/folders/{id}/upload."""

    duplicate_handling = StrictChoice(
        [each.value for each in Duplicate],
        default=Duplicate.SUFFIX.value,
        help_text="What becomes of a file whose name the folder has already.",
    )
    name = StrictString(**OPTIONAL, help_text="Replaces the name of the file.")


class UploadForm(Input):
    """The form of POST /v1/folders/{id}/upload."""

    file = serializers.FileField(
        allow_empty_file=True, help_text="A PDF, or any text in UTF-8 or UTF-16."
    )


class ListFilesQuery(PageQuery):
    """The query of GET /v1/folders/{id}/files."""

    ignored_fields = {"check_status_updates": "the status is always the present one"}

    limit = StrictInteger(default=1000, min_value=1, max_value=1000)
    include_content = StrictBoolean(default=False, help_text="Include the texts.")


class FileQuery(Input):
    """The query of GET /v1/folders/{id}/files/{id}."""

    include_content = StrictBoolean(default=False, help_text="Include the text.")


class ListAgentFilesQuery(PageQuery):
    """The query of GET /v1/agents/{id}/files."""

    limit = StrictInteger(default=20, min_value=1, max_value=1000)
    is_open = StrictBoolean(required=False, help_text="Only open files, or only closed ones.")
    cursor = StrictString(required=False, help_text="Older name of `after`.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "cursor" in attrs:
            attrs.setdefault("after", attrs.pop("cursor"))
        return attrs
