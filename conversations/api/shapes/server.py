"""JSON about the server itself."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from ...llm.catalog import Model


class ErrorJSON(TypedDict):
    """What is wrong; some errors have more fields. A failed turn has `error` instead."""

    detail: NotRequired[str]


class StatusJSON(TypedDict):
    """The version of a server that works."""

    version: str
    status: Literal["ok"]


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
