"""The models that agents can use: those that the providers list, and the scripted one."""

import logging
import re
import time
from typing import NamedTuple

from .providers import SCRIPTED, Provider, providers

logger = logging.getLogger(__name__)

# In seconds.
CACHE_TTL = 60.0
LIST_TIMEOUT = 5.0
# The lists do not say how much a model can read.
CONTEXT_WINDOW = 128_000
# Nor what a model does: the names of OpenAI's embedding models, and of common open ones.
EMBEDDING_NAME = re.compile(r"embed|minilm|(^|[/_-])(bge|e5|gte)-", re.IGNORECASE)


class Model(NamedTuple):
    """A model of a provider; `context_window` is in tokens."""

    provider: str
    name: str
    display_name: str
    context_window: int = CONTEXT_WINDOW

    @property
    def handle(self) -> str:
        """The name by which agents refer to the model."""
        return f"{self.provider}/{self.name}"


SCRIPTED_MODEL = Model(SCRIPTED, "demo", "Scripted model (no language model)")

_cache: dict[Provider, tuple[float, list[Model]]] = {}


def available_models() -> list[Model]:
    """List the language models of every provider that responds, and the scripted model."""
    return [SCRIPTED_MODEL, *(m for m in _listed_models() if not EMBEDDING_NAME.search(m.name))]


def available_embedding_models() -> list[Model]:
    """List the embedding models of every provider that responds."""
    return [model for model in _listed_models() if EMBEDDING_NAME.search(model.name)]


def _listed_models() -> list[Model]:
    found = []
    for provider in providers().values():
        since, models = _cache.get(provider, (0.0, []))
        if not models or time.monotonic() - since > CACHE_TTL:
            models = _list_models(provider)
            _cache[provider] = (time.monotonic(), models)
        found += models
    return found


def _list_models(provider: Provider) -> list[Model]:
    import openai  # noqa: PLC0415 (importing it takes seconds; most commands call no model)

    with openai.OpenAI(
        api_key=provider.api_key, base_url=provider.base_url, timeout=LIST_TIMEOUT, max_retries=0
    ) as client:
        try:
            return [Model(provider.name, model.id, model.id) for model in client.models.list()]
        except openai.OpenAIError as error:
            logger.warning("The provider %s did not list its models: %s", provider.name, error)
            return []
