"""JSON about the server itself."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from ... import __version__
from ...llm.catalog import Model


class ErrorJSON(TypedDict):
    """What is wrong; some errors have more fields. A failed turn has `error` instead."""

    detail: NotRequired[str]


# The release of Letta V1 whose API this is. Clients compare it with the oldest one that they need.
V1_VERSION = "0.16.8"


class StatusJSON(TypedDict):
    """A server that works: the release of V1 whose API it has, and its own version."""

    version: str
    palimpsest_version: str
    status: Literal["ok"]


class ReadyJSON(TypedDict):
    """Whether a server can serve requests; per check "ok" or what is wrong."""

    version: str
    palimpsest_version: str
    status: Literal["ok", "unavailable"]
    checks: dict[str, str]


def health_json() -> StatusJSON:
    """Return the JSON of a process that works."""
    return {"version": V1_VERSION, "palimpsest_version": __version__, "status": "ok"}


def ready_json(checks: dict[str, str]) -> tuple[int, ReadyJSON]:
    """Return the HTTP status and the JSON for the results of the checks."""
    is_ready = all(result == "ok" for result in checks.values())
    content: ReadyJSON = {
        "version": V1_VERSION,
        "palimpsest_version": __version__,
        "status": "ok" if is_ready else "unavailable",
        "checks": checks,
    }
    return (200 if is_ready else 503), content


class ModelJSON(TypedDict):
    """A model as the client's `Model` type reads it."""

    handle: str
    name: str
    display_name: str
    provider_name: str
    provider_type: Literal["openai"]
    provider_category: Literal["base"]
    model: str
    model_type: Literal["llm"]
    model_endpoint_type: Literal["openai"]
    context_window: int
    max_context_window: int


def model_json(model: Model) -> ModelJSON:
    """Return the JSON of a model."""
    return {
        "handle": model.handle,
        "name": model.name,
        "display_name": model.display_name,
        "provider_name": model.provider,
        "provider_type": "openai",
        "provider_category": "base",
        "model": model.name,
        "model_type": "llm",
        "model_endpoint_type": "openai",
        "context_window": model.context_window,
        "max_context_window": model.context_window,
    }
