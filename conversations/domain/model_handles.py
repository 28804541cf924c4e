"""Model handles: provider/model."""

from ..llm.errors import UnknownModel
from ..llm.providers import resolve
from .errors import InvalidModelHandle, UnknownModelHandle


def check_model_handle(handle: str) -> None:
    """Check that the handle reads provider/model and that its provider is configured.

    Without any provider, the scripted model answers for every handle.

    Raises:
        InvalidModelHandle: it does not read provider/model.
        UnknownModelHandle: no such provider is configured.
    """
    provider, slash, model = handle.partition("/")
    if not (provider and slash and model):
        raise InvalidModelHandle(handle)
    try:
        resolve(handle)
    except UnknownModel as error:
        raise UnknownModelHandle(handle, error.known) from None
