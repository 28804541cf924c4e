"""JSON of blocks."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from ...models import Block
from .fields import JSONObject, attributes


class BlockAttributes(TypedDict):
    """What a block stores."""

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
    project_id: str | None
    created_by_id: str | None
    last_updated_by_id: str | None


class BlockJSON(BlockAttributes):
    """A block as the client's `Block` type reads it, with its `version` and `copy_on_write`."""

    template_id: None
    base_template_id: None
    deployment_id: None
    entity_id: None
    preserve_on_migration: Literal[False]


def block_json(block: Block) -> BlockJSON:
    """Return the JSON of a block."""
    return {
        **attributes(BlockAttributes, block),
        "template_id": None,
        "base_template_id": None,
        "deployment_id": None,
        "entity_id": None,
        "preserve_on_migration": False,
    }
