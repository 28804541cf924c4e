"""Model handles: provider/model."""

from ..llm.errors import UnknownModel
from ..llm.providers import resolve
from .errors import InvalidModelHandle, UnknownModelHandle


def check_model_handle(handle: str) -> None:
    """Raise InvalidModelHandle or UnknownModelHandle unless the handle names a known provider.

    Without any provider, the scripted model replies for every handle.
    """
    provider, slash, model = handle.partition("/")
    if not (provider and slash and model):
        raise InvalidModelHandle(handle)
    try:
        resolve(handle)
    except UnknownModel as error:
        raise UnknownModelHandle(handle, error.known) from None
