"""JSON of embedding models."""

from typing import Literal

from typing_extensions import TypedDict

from ...llm.catalog import Model
from ...llm.embeddings import embedding_dimensions


class EmbeddingConfigJSON(TypedDict):
    """An embedding model in V1's older notation."""

    handle: str
    embedding_model: str
    embedding_dim: int
    embedding_endpoint_type: Literal["openai"]
    embedding_endpoint: None
    embedding_chunk_size: Literal[300]
    batch_size: Literal[32]
    azure_endpoint: None
    azure_version: None
    azure_deployment: None


class EmbeddingModelJSON(EmbeddingConfigJSON):
    """An embedding model as the client's `EmbeddingModel` type reads it."""

    name: str
    display_name: str
    provider_name: str
    provider_type: Literal["openai"]
    model_type: Literal["embedding"]


def embedding_config_json(handle: str) -> EmbeddingConfigJSON:
    """Return the JSON of the embedding model of a handle."""
    model = handle.partition("/")[2] or handle
    return {
        "handle": handle,
        "embedding_model": model,
        "embedding_dim": embedding_dimensions(model),
        "embedding_endpoint_type": "openai",
        "embedding_endpoint": None,
        "embedding_chunk_size": 300,
        "batch_size": 32,
        "azure_endpoint": None,
        "azure_version": None,
        "azure_deployment": None,
    }


def embedding_model_json(model: Model) -> EmbeddingModelJSON:
    """Return the JSON of an embedding model that a provider lists."""
    return {
        **embedding_config_json(model.handle),
        "name": model.name,
        "display_name": model.display_name,
        "provider_name": model.provider,
        "provider_type": "openai",
        "model_type": "embedding",
    }
