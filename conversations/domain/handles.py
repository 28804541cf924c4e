"""Handles name a model: provider/model."""

from .errors import InvalidArgument


def check_model_handle(handle: str) -> None:
    """Raise InvalidArgument unless `handle` reads provider/model."""
    provider, slash, model = handle.partition("/")
    if not (provider and slash and model):
        raise InvalidArgument(
            f"The model handle should be in the format provider/model-name, got {handle!r}"
        )
