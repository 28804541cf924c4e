"""The configured providers, and which of them serves a handle `provider/model`."""

from typing import NamedTuple

from ..conf import conf
from .errors import UnknownModel

SCRIPTED = "scripted"
# V1's name for OpenAI at another base URL; stored handles still have it.
PROXY = "openai-proxy"


class Provider(NamedTuple):
    """A server that speaks OpenAI's chat completions; `base_url` None means OpenAI itself."""

    name: str
    api_key: str
    base_url: str | None = None


def providers() -> dict[str, Provider]:
    """Return the configured providers by name. Without any, the scripted model replies."""
    return {
        # Self-hosted servers often need no key, but the client library requires one.
        name: Provider(name, entry.get("api_key") or "none", entry.get("base_url"))
        for name, entry in conf.PROVIDERS.items()
    }


def resolve(handle: str) -> tuple[Provider | None, str]:
    """Return the provider of a handle and its name of the model; no provider means scripted.

    Raises UnknownModel if providers are configured and none has this name.
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
