"""Vectors of texts, from any server that speaks OpenAI's embeddings API."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from .client import model_error
from .errors import ModelError, UnknownModel
from .providers import Provider, resolve
from .tokens import shorten

if TYPE_CHECKING:
    from openai import OpenAI

# What the common models read of one text; of longer ones, beginning and end.
MAX_TEXT_TOKENS = 6_000
MAX_DIMENSIONS = 16_000
# The length of the vectors of OpenAI's models; servers do not say it.
DIMENSIONS = {"text-embedding-3-large": 3072}
DEFAULT_DIMENSIONS = 1536


def embedding_dimensions(model: str) -> int:
    """Return the length of a model's vectors, as far as it is known."""
    return DIMENSIONS.get(model, DEFAULT_DIMENSIONS)


def is_served(handle: str) -> bool:
    """Return whether a provider is configured for an embedding model."""
    try:
        provider, model = resolve(handle)
    except UnknownModel:
        return False
    return provider is not None and bool(model)


def embed(handle: str, texts: Sequence[str], *, timeout: float) -> list[list[float]]:
    """Return the vector of each text. Raises ModelError; waits `timeout` seconds at most."""
    import openai  # noqa: PLC0415 (importing it takes seconds; most commands call no model)

    try:
        provider, model = resolve(handle)
    except UnknownModel as error:
        raise ModelError("llm_not_found", f"No provider for {error}") from None
    if provider is None:
        raise ModelError("llm_not_found", "No provider is configured")
    body = {
        "model": model,
        "input": [shorten(text, MAX_TEXT_TOKENS, " ") for text in texts],
        "encoding_format": "float",
    }
    try:
        answer = _client(provider).post(
            "/embeddings", body=body, cast_to=object, options={"timeout": timeout}
        )
    except openai.OpenAIError as error:
        raise model_error(error) from error
    return _vectors(answer, len(texts))


@lru_cache(maxsize=32)
def _client(provider: Provider) -> "OpenAI":
    import openai  # noqa: PLC0415 (as in `embed`)

    return openai.OpenAI(api_key=provider.api_key, base_url=provider.base_url, max_retries=0)


def _vectors(answer: object, count: int) -> list[list[float]]:
    """Return the vectors of a response in the order of the texts."""
    try:
        data = cast("dict[str, Any]", answer)["data"]
        ordered = sorted(data, key=lambda item: item.get("index", 0))
        vectors = [[float(number) for number in item["embedding"]] for item in ordered]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError("llm_error", "The vectors can't be read", cause=repr(error)) from None
    lengths = {len(vector) for vector in vectors}
    is_usable = len(vectors) == count and len(lengths) == 1 and 0 < min(lengths) <= MAX_DIMENSIONS
    if not (is_usable and all(map(math.isfinite, (n for vector in vectors for n in vector)))):
        raise ModelError("llm_error", f"Expected {count} vectors of one length")
    return vectors
