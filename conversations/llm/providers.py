"""Which servers answer for which handles: `provider/model`, from the setting `PROVIDERS`."""

from typing import NamedTuple

from ..conf import conf
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
    """Return the configured providers by name. Without one the scripted model replies."""
    return {
        # Self-hosted servers often need no key, but the client library requires one.
        name: Provider(name, entry.get("api_key") or "none", entry.get("base_url"))
        for name, entry in conf.PROVIDERS.items()
    }


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
