"""The models this server can answer with: those its providers list, and the scripted one."""

import logging
import time
from typing import NamedTuple

from .providers import SCRIPTED, Provider, providers

logger = logging.getLogger(__name__)

# A provider's list changes rarely, and asking takes its time.
KEPT_SECONDS = 60.0
ASK_SECONDS = 5.0
# No list says how much a model reads.
CONTEXT_WINDOW = 128_000


class Model(NamedTuple):
    provider: str
    name: str
    display_name: str
    context_window: int = CONTEXT_WINDOW

    @property
    def handle(self) -> str:
        return f"{self.provider}/{self.name}"


SCRIPTED_MODEL = Model(SCRIPTED, "demo", "Scripted model (no language model)")

_kept: dict[Provider, tuple[float, list[Model]]] = {}


def available_models() -> list[Model]:
    """Of each provider that answers; the scripted model is always there."""
    found = [SCRIPTED_MODEL]
    for provider in providers().values():
        since, models = _kept.get(provider, (0.0, []))
        if not models or time.monotonic() - since > KEPT_SECONDS:
            models = _ask(provider)
            _kept[provider] = (time.monotonic(), models)
        found += models
    return found


def _ask(provider: Provider) -> list[Model]:
    import openai  # noqa: PLC0415 (takes seconds, which commands that ask nothing need not wait)

    with openai.OpenAI(
        api_key=provider.api_key, base_url=provider.base_url, timeout=ASK_SECONDS, max_retries=0
    ) as client:
        try:
            return [Model(provider.name, model.id, model.id) for model in client.models.list()]
        except openai.OpenAIError as error:
            logger.warning("The provider %s did not list its models: %s", provider.name, error)
            return []
