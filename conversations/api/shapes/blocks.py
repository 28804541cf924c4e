"""JSON of blocks."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from ...models import Block
from .fields import JSONObject


class BlockJSON(TypedDict):
    """A block as the client's `Block` type reads it, with its `version` and `copy_on_write`."""

    id: str
    label: str
    value: str
    limit: Annotated[int, Field(description="Maximum number of characters in `value`.")]
    description: str | None
    metadata: JSONObject
    read_only: bool
    copy_on_write: bool
    tags: list[str]
    hidden: bool | None
    version: Annotated[int, Field(description="Number of the newest revision.")]
    is_template: bool
    template_name: str | None
    template_id: None
    base_template_id: None
    deployment_id: None
    entity_id: None
    preserve_on_migration: Literal[False]
    project_id: str | None
    created_by_id: str | None
    last_updated_by_id: str | None


def block_json(block: Block) -> BlockJSON:
    """Return the JSON of a block."""
    return {
        "id": block.pk,
        "label": block.label,
        "value": block.value,
        "limit": block.limit,
        "description": block.description,
        "metadata": block.metadata,
        "read_only": block.read_only,
        "copy_on_write": block.copy_on_write,
        "tags": block.tags,
        "hidden": block.hidden,
        "version": block.version,
        "is_template": block.is_template,
        "template_name": block.template_name,
        "template_id": None,
        "base_template_id": None,
        "deployment_id": None,
        "entity_id": None,
        "preserve_on_migration": False,
        "project_id": block.project_id,
        "created_by_id": block.created_by_id,
        "last_updated_by_id": block.last_updated_by_id,
    }
