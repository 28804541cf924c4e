"""Whole replies of a model, outside of the steps of a turn."""

import asyncio

from ..domain.turns.reply import ModelReply
from ..llm.client import ask
from ..llm.errors import ModelError
from ..llm.requests import ModelRequest

# For one reply of the model, even if its bytes keep arriving; in seconds.
REPLY_TIMEOUT = 1800.0


async def complete(request: ModelRequest) -> ModelReply:
    """Return a whole reply. Raises ModelError."""
    reply = ModelReply("")
    try:
        async with asyncio.timeout(REPLY_TIMEOUT):
            async for chunk in ask(request):
                reply.add(chunk)
    except TimeoutError:
        raise timeout_error() from None
    return reply


def timeout_error() -> ModelError:
    """Return the error of a reply that takes too long."""
    return ModelError("llm_timeout", f"The reply took longer than {REPLY_TIMEOUT:.0f} s")
