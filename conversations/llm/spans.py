"""Spans of model calls."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ..tracing import OPERATION, fail
from .errors import ModelError
from .requests import Begin, Chunk, Finish, ModelRequest, Usage

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer


async def traced(
    tracer: "Tracer", request: ModelRequest, chunks: AsyncIterator[Chunk]
) -> AsyncIterator[Chunk]:
    """Yield the chunks of a reply within a span, which covers retries and the fallback."""
    from opentelemetry.trace import SpanKind  # noqa: PLC0415 (an optional package)

    provider, _, model = request.handle.partition("/")
    attributes: dict[str, str | bool] = {
        OPERATION: "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.request.stream": True,
    }
    # Not the current span: a generator may be resumed in another context.
    span = tracer.start_span(f"chat {model}", kind=SpanKind.CLIENT, attributes=attributes)
    try:
        async for chunk in chunks:
            _describe(span, chunk)
            yield chunk
    except ModelError as error:
        fail(span, error.type)
        raise
    except BaseException as error:
        fail(span, type(error).__name__)
        raise
    finally:
        span.end()


def _describe(span: "Span", chunk: Chunk) -> None:
    if isinstance(chunk, Begin):
        span.set_attribute("gen_ai.response.model", chunk.handle.partition("/")[2])
    elif isinstance(chunk, Finish):
        span.set_attribute("gen_ai.response.finish_reasons", [chunk.reason])
    elif isinstance(chunk, Usage):
        span.set_attribute("gen_ai.usage.input_tokens", chunk.prompt_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", chunk.completion_tokens)
        if chunk.cached_input_tokens is not None:
            name = "gen_ai.usage.cache_read.input_tokens"
            span.set_attribute(name, chunk.cached_input_tokens)
        if chunk.reasoning_tokens is not None:
            span.set_attribute("gen_ai.usage.reasoning.output_tokens", chunk.reasoning_tokens)
