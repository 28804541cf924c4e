"""JSON of identities."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ...models import Identity, IdentityType
from .fields import JSONObject, attributes, one_of


class IdentityAttributes(TypedDict):
    """What an identity stores."""

    id: str
    organization_id: str
    identifier_key: str
    name: str
    identity_type: Annotated[str, one_of(IdentityType.values)]
    project_id: str | None
    properties: list[JSONObject]


class IdentityJSON(IdentityAttributes):
    """An identity as the client's `Identity` type reads it."""

    agent_ids: Annotated[list[str], Field(description="The first 200 of its agents.")]
    block_ids: Annotated[list[str], Field(description="The first 200 of its blocks.")]


def identity_json(identity: Identity) -> IdentityJSON:
    """Return the JSON of an identity; the ids only if it was loaded `with_links`."""
    agents = getattr(identity, "first_agents", [])
    blocks = getattr(identity, "first_blocks", [])
    return {
        **attributes(IdentityAttributes, identity),
        "agent_ids": [link.agent_id for link in agents],
        "block_ids": [link.block_id for link in blocks],
    }
