"""Which servers answer for which handles: `provider/model`, from the environment."""

from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from .requests import UnknownModel

SCRIPTED = "scripted"
# V1 called an OpenAI provider at another base URL so; stored handles still do.
PROXY = "openai-proxy"


class Provider(NamedTuple):
    """A server that speaks OpenAI's chat completions; `base_url` None is OpenAI itself."""

    name: str
    api_key: str
    base_url: str | None = None


def providers() -> dict[str, Provider]:
    """Those the environment names, by name. None of them: the scripted model answers."""
    found = {}
    if settings.OPENAI_API_KEY or settings.OPENAI_BASE_URL:
        # Servers of one's own often want no key; the client library insists on one.
        key, url = settings.OPENAI_API_KEY or "none", settings.OPENAI_BASE_URL or None
        found["openai"] = Provider("openai", key, url)
    for name, entry in settings.MODEL_PROVIDERS.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("base_url"), str):
            raise ImproperlyConfigured(
                f"MODEL_PROVIDERS: expected an object with a base_url for {name!r}"
            )
        found[name] = Provider(name, entry.get("api_key") or "none", entry["base_url"])
    return found


def resolve(handle: str) -> tuple[Provider | None, str]:
    """The provider of a handle and the name of the model there; no provider: the scripted model.

    Raises UnknownModel where providers are set up and none of them has this name.
    """
    name, _, model = handle.partition("/")
    known = providers()
    if name == SCRIPTED or not known:
        return None, model
    if name == PROXY and PROXY not in known:
        name = "openai"
    if name not in known:
        raise UnknownModel(handle, [f"{provider}/…" for provider in [*known, SCRIPTED]])
    return known[name], model
