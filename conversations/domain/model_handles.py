"""Handles name a model: provider/model."""

from ..llm.providers import resolve
from ..llm.requests import UnknownModel
from .errors import InvalidArgument, NotFound


def check_model_handle(handle: str) -> None:
    """Raise InvalidArgument unless `handle` reads provider/model, NotFound unless that provider is
    set up. Where none is, the scripted model answers for all of them."""
    provider, slash, model = handle.partition("/")
    if not (provider and slash and model):
        raise InvalidArgument(
            f"The model handle should be in the format provider/model-name, got {handle!r}"
        )
    try:
        resolve(handle)
    except UnknownModel as error:
        known = ", ".join(error.known)
        raise NotFound(f"NOT_FOUND: Handle {handle} not found, must be one of [{known}]") from None
