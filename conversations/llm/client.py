"""Calling a model and reading its reply as it arrives."""

import asyncio
import json
import logging
import random
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from ..conf import conf
from ..text import replace_unstorable
from ..tracing import tracer
from .errors import ModelError, ModelErrorType, UnknownModel
from .providers import Provider, providers, resolve
from .requests import (
    Begin,
    CallChunk,
    Chunk,
    Finish,
    ModelRequest,
    ReasoningChunk,
    TextChunk,
    Usage,
)
from .scripted import answer
from .spans import traced

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI, AsyncStream, OpenAIError, Timeout

logger = logging.getLogger(__name__)

# Attempts after the first, before any byte arrives, and the first delay between them in seconds,
# which doubles, if the provider sends no Retry-After.
MAX_RETRIES = 2
MIN_RETRY_DELAY = 0.5
MAX_RETRY_AFTER = 86_400.0
# Another model would fail alike.
REQUEST_ERRORS = ("llm_bad_request", "context_window_exceeded")
CONNECT_TIMEOUT = 5.0
UNREADABLE = "The reply can't be read"

# Connections belong to the event loop that opened them.
_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Provider, "AsyncOpenAI"]] = (
    weakref.WeakKeyDictionary()
)


def ask(request: ModelRequest) -> AsyncIterator[Chunk]:
    """Call a model; return the chunks of its reply, from a Begin to a Finish and maybe a Usage.

    If the model fails before its first byte, the fallback of the request replies in its place.
    Raises ModelError, also if the reply breaks off.
    """
    chunks = _ask(request)
    return chunks if tracer is None else traced(tracer, request, chunks)


async def _ask(request: ModelRequest) -> AsyncIterator[Chunk]:
    handle = request.handle
    try:
        stream = await _open(request, handle)
    except ModelError as error:
        if request.fallback is None or error.type in REQUEST_ERRORS:
            raise
        logger.warning("%s failed; %s replies: %s", handle, request.fallback, error)
        handle = request.fallback
        stream = await _open(request, handle)
    yield Begin(handle)
    finished = False
    async for chunk in stream:
        finished = finished or isinstance(chunk, Finish)
        yield chunk
    if not finished:
        raise ModelError("llm_error", "The reply ended without a finish_reason")


async def _open(request: ModelRequest, handle: str) -> AsyncIterator[Chunk]:
    """Return the chunks of a model's reply, of which the first has arrived.

    Transient failures before it are retried, at most MAX_RETRIES times and MODEL_TIMEOUT seconds in
    total. Raises ModelError.
    """
    try:
        provider, _ = resolve(handle)
    except UnknownModel as error:
        # The provider was configured when the turn was queued but is not in this process.
        detail = f"No provider of this process answers for {error}"
        raise ModelError("llm_not_found", detail) from None
    if provider is None:
        return answer(request)
    body = payload(replace(request, handle=handle))
    deadline = asyncio.get_running_loop().time() + conf.MODEL_TIMEOUT
    retries = 0
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                return await _first_bytes(provider, body)
        except TimeoutError:
            raise _timeout_error() from None
        except ModelError as error:
            delay = error.retry_after
            if delay is None:
                delay = MIN_RETRY_DELAY * 2**retries * random.uniform(0.5, 1.5)  # noqa: S311
            is_late = asyncio.get_running_loop().time() + delay >= deadline
            if not error.is_transient or retries == MAX_RETRIES or is_late:
                raise
            logger.info("%s failed; retrying in %.1f s: %s", handle, delay, error)
        retries += 1
        await asyncio.sleep(delay)


async def _first_bytes(provider: Provider, body: dict[str, Any]) -> AsyncIterator[Chunk]:
    """Send a request and wait for the first event of the response. Raises ModelError."""
    import openai  # noqa: PLC0415 (importing it takes seconds; most commands call no model)

    with _model_errors():
        # Plain JSON: converting every message and chunk to the library's types takes most of the
        # processor time of a turn.
        stream = await _client(provider).post(
            "/chat/completions",
            body=body,
            cast_to=object,
            options={"timeout": _timeout()},
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
        try:
            first = await anext(stream, None)
        except BaseException:
            await stream.close()
            raise
    return _read(stream, first)


async def _read(stream: "AsyncStream[object]", first: object) -> AsyncIterator[Chunk]:
    with _model_errors():
        async with stream:
            for chunk in _chunks(cast("dict[str, Any]", first or {})):
                yield chunk
            async for data in stream:
                for chunk in _chunks(cast("dict[str, Any]", data)):
                    yield chunk


@contextmanager
def _model_errors() -> Iterator[None]:
    """Turn what the client library raises into ModelError."""
    import openai  # noqa: PLC0415 (as in `_first_bytes`)

    try:
        yield
    except openai.OpenAIError as error:
        raise model_error(error) from error
    except Exception as error:
        # On a broken stream, the library also raises errors of other libraries.
        cause = f"{type(error).__name__}: {error}"
        raise ModelError("llm_error", UNREADABLE, cause=cause) from error


def payload(request: ModelRequest) -> dict[str, Any]:
    """Return the body that is sent to the provider. Raises UnknownModel."""
    _, model = resolve(request.handle)
    body: dict[str, Any] = {"model": model, "messages": request.messages, **request.settings}
    if request.tools:
        body["tools"] = request.tools
    else:
        body.pop("parallel_tool_calls", None)
        body.pop("tool_choice", None)
    return {**body, "stream": True, "stream_options": {"include_usage": True}}


def _client(provider: Provider) -> "AsyncOpenAI":
    import openai  # noqa: PLC0415 (as in `_first_bytes`)

    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    if provider not in clients:
        clients[provider] = openai.AsyncOpenAI(
            api_key=provider.api_key,
            base_url=provider.base_url,
            max_retries=0,  # `_open` retries: within one deadline.
            http_client=openai.DefaultAioHttpClient(),  # needs less processor time than httpx
        )
    return clients[provider]


def prepare() -> None:
    """Import the client library in advance, which takes seconds, if a provider is configured."""
    if providers():
        import openai  # noqa: F401, PLC0415 (as in `_first_bytes`)


async def close_clients() -> None:
    """Close the connections of the running event loop."""
    for client in _clients.pop(asyncio.get_running_loop(), {}).values():
        await client.close()


def _timeout() -> "Timeout":
    import openai  # noqa: PLC0415 (as in `_first_bytes`)

    return openai.Timeout(conf.MODEL_TIMEOUT, connect=CONNECT_TIMEOUT)


def _chunks(data: dict[str, Any]) -> list[Chunk]:
    chunks: list[Chunk] = []
    for choice in data.get("choices") or []:
        delta = choice.get("delta") or {}
        # Not standardized: servers of reasoning models use one of these two names.
        if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
            chunks.append(ReasoningChunk(_text(reasoning)))
        if text := delta.get("content") or delta.get("refusal"):
            chunks.append(TextChunk(_text(text)))
        for call in delta.get("tool_calls") or []:
            function = call.get("function") or {}
            index, call_id = call.get("index"), call.get("id")
            chunks.append(
                CallChunk(
                    index=index if isinstance(index, int) else 0,
                    id=replace_unstorable(call_id) if isinstance(call_id, str) else "",
                    name=_text(function.get("name") or ""),
                    arguments=_text(function.get("arguments") or ""),
                )
            )
        if reason := choice.get("finish_reason"):
            chunks.append(Finish(reason))
    if usage := data.get("usage"):
        chunks.append(_usage(usage))
    return chunks


def _text(value: Any) -> str:
    # Some servers send an object or an array in place of text, for arguments above all.
    return replace_unstorable(value if isinstance(value, str) else json.dumps(value))


def _usage(usage: Any) -> Usage:
    return Usage(
        prompt_tokens=_count(usage, "prompt_tokens") or 0,
        completion_tokens=_count(usage, "completion_tokens") or 0,
        cached_input_tokens=_count(usage, "prompt_tokens_details", "cached_tokens"),
        reasoning_tokens=_count(usage, "completion_tokens_details", "reasoning_tokens"),
    )


def _count(value: Any, *path: str) -> int | None:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    # Clients read their sums as doubles.
    return value if isinstance(value, int) and 0 <= value < 2**40 else None


_BY_HTTP_STATUS: dict[int, ModelErrorType] = {
    400: "llm_bad_request",
    401: "llm_authentication",
    402: "llm_insufficient_credits",
    403: "llm_permission_denied",
    404: "llm_not_found",
    408: "llm_timeout",
    422: "llm_bad_request",
    429: "llm_rate_limit",
    504: "llm_timeout",
}


def model_error(error: "OpenAIError") -> ModelError:
    """Return the error of a turn for one of the client library."""
    import openai  # noqa: PLC0415 (as in `_first_bytes`)

    if isinstance(error, openai.APIConnectionError):
        if _is_timeout(error):
            return _timeout_error()
        cause = str(error.__cause__ or error)
        detail = "The connection failed"
        return ModelError("llm_connection_error", detail, cause=cause, is_transient=True)
    if isinstance(error, openai.APIStatusError):
        kind = _BY_HTTP_STATUS.get(error.status_code, "llm_error")
        if _is_context_overflow(error):
            kind = "context_window_exceeded"
        return ModelError(
            kind,
            f"The provider returned {error.status_code}",
            cause=str(error),
            is_transient=error.status_code in (408, 409, 429) or error.status_code >= 500,
            retry_after=_retry_after(error.response.headers.get("Retry-After")),
        )
    return ModelError("llm_error", UNREADABLE, cause=str(error))


def _timeout_error() -> ModelError:
    return ModelError("llm_timeout", f"No bytes for {conf.MODEL_TIMEOUT:g} s")


def _is_timeout(error: BaseException) -> bool:
    # The library reports refused and closed connections as timeouts, too.
    cause = error.__cause__
    while cause is not None and not isinstance(cause, TimeoutError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def _retry_after(header: str | None) -> float | None:
    """Return the seconds that a Retry-After header names; None if it names a date or none."""
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < MAX_RETRY_AFTER else None


def _is_context_overflow(error: "APIStatusError") -> bool:
    text = str(error).lower()
    return error.status_code in (400, 413) and (
        getattr(error, "code", None) == "context_length_exceeded"
        or "context length" in text
        or "context size" in text
        or "maximum context" in text
    )
