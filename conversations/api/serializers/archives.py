"""Request bodies and queries of archives and passages."""

from typing import Any

from rest_framework import serializers

from ...domain.archives.memory import DEFAULT_RESULTS
from ...domain.archives.search import MAX_RESULTS
from ...models import Passage
from .fields import (
    OPTIONAL,
    Id,
    Input,
    PageQuery,
    StrictBoolean,
    StrictChoice,
    StrictDateTime,
    StrictInteger,
    StrictList,
    StrictObject,
    StrictString,
)

MAX_PASSAGES = 1_000


class EmbeddingConfig(Input):
    """V1's older notation for an embedding model."""

    ignored_fields = {
        "embedding_endpoint": "the operator configures the providers",
        "embedding_dim": "the model determines the dimensions",
        "embedding_chunk_size": "the server determines the size of chunks",
        "batch_size": "the server determines the size of batches",
    }

    handle = StrictString(**OPTIONAL, max_length=200)
    embedding_model = StrictString(**OPTIONAL, max_length=100)
    embedding_endpoint_type = StrictString(**OPTIONAL, max_length=50)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not (attrs.get("handle") or attrs.get("embedding_model")):
            raise serializers.ValidationError("expected a `handle` or an `embedding_model`")
        return attrs


def embedding_handle(config: dict[str, Any]) -> str:
    """Return the handle of a validated `EmbeddingConfig`."""
    provider = config.get("embedding_endpoint_type") or "openai"
    return config.get("handle") or f"{provider}/{config['embedding_model']}"


class CreateArchiveBody(Input):
    """The body of POST /v1/archives/."""

    name = StrictString(allow_blank=False, max_length=200)
    description = StrictString(**OPTIONAL)
    metadata = StrictObject(**OPTIONAL)
    embedding = StrictString(**OPTIONAL, max_length=200, help_text="A handle: provider/model.")
    embedding_config = EmbeddingConfig(**OPTIONAL)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        config = attrs.pop("embedding_config", None)
        if config and not attrs.get("embedding"):
            attrs["embedding"] = embedding_handle(config)
        return attrs


class UpdateArchiveBody(Input):
    """The body of PATCH /v1/archives/{id}; absent fields keep their values."""

    name = StrictString(**OPTIONAL, allow_blank=False, max_length=200)
    description = StrictString(**OPTIONAL)
    metadata = StrictObject(**OPTIONAL)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in attrs.items() if name != "name" or value is not None}


class ListArchivesQuery(PageQuery):
    """The query of GET /v1/archives/."""

    name = StrictString(required=False)
    agent_id = Id("agent", required=False, help_text="Only the archive of this agent.")


class PassageBody(Input):
    """A passage to insert."""

    text = StrictString(max_length=Passage.MAX_LENGTH)
    tags = StrictList(child=StrictString(), **OPTIONAL)
    metadata = StrictObject(**OPTIONAL)
    created_at = StrictDateTime(**OPTIONAL, help_text="Now, by default.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in attrs.items() if value is not None}


class PassagesBody(Input):
    """The body of POST /v1/archives/{id}/passages/batch."""

    passages = StrictList(child=PassageBody(), max_length=MAX_PASSAGES)


class ListPassagesQuery(PageQuery):
    """The query of GET /v1/agents/{id}/archival-memory."""

    limit = StrictInteger(default=100, min_value=1, max_value=1000)
    ascending = StrictBoolean(default=True, help_text="Oldest first.")
    order = StrictChoice(["asc", "desc"], required=False, help_text="Another name of `ascending`.")
    search = StrictString(
        required=False, max_length=1000, help_text="Part of the text, ignoring case."
    )
    tags = StrictList(child=StrictString(), default=list)
    tag_match_mode = StrictChoice(["any", "all"], default="any")
    include_embedding = StrictBoolean(default=False, help_text="Include the vectors.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.setdefault("order", "asc" if attrs["ascending"] else "desc")
        return attrs


class SearchMemoryQuery(Input):
    """The query of GET /v1/agents/{id}/archival-memory/search."""

    query = StrictString()
    tags = StrictList(child=StrictString(), default=list)
    tag_match_mode = StrictChoice(["any", "all"], default="any")
    top_k = StrictInteger(default=DEFAULT_RESULTS, min_value=1, max_value=MAX_RESULTS)
    start_datetime = StrictString(
        required=False, help_text="A day or a time in ISO 8601, without an offset the agent's."
    )
    end_datetime = StrictString(required=False, help_text="The same; a day counts to its end.")


class SearchPassagesBody(Input):
    """The body of POST /v1/passages/search."""

    query = StrictString(**OPTIONAL, help_text="Without it, the newest passages match.")
    agent_id = Id("agent", **OPTIONAL)
    archive_id = Id("archive", **OPTIONAL)
    tags = StrictList(child=StrictString(), **OPTIONAL)
    tag_match_mode = StrictChoice(["any", "all"], default="any")
    limit = StrictInteger(default=50, min_value=1, max_value=MAX_RESULTS)
    start_date = StrictString(**OPTIONAL, help_text="A day or a time in ISO 8601.")
    end_date = StrictString(**OPTIONAL, help_text="The same; a day counts to its end.")
