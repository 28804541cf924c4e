"""Calling a model and reading its reply as it arrives."""

import asyncio
import json
import weakref
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

from ..conf import conf
from ..text import replace_unstorable
from .errors import ModelError, ModelErrorType, UnknownModel
from .providers import Provider, providers, resolve
from .requests import (
    CallChunk,
    Chunk,
    Finish,
    ModelRequest,
    ReasoningChunk,
    TextChunk,
    Usage,
)
from .scripted import answer

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI, OpenAIError, Timeout

# Attempts after the first, before any byte arrives; the library backs off between them.
MAX_RETRIES = 2
CONNECT_TIMEOUT = 5.0
UNREADABLE = "The reply can't be read"

# Connections belong to the event loop that opened them.
_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Provider, "AsyncOpenAI"]] = (
    weakref.WeakKeyDictionary()
)


async def ask(request: ModelRequest) -> AsyncIterator[Chunk]:
    """Call a model; yield the chunks of its reply, which ends with a Finish and maybe a Usage.

    Raises ModelError, also if the reply breaks off.
    """
    try:
        provider, _ = resolve(request.handle)
    except UnknownModel as error:
        # The provider was configured when the turn was queued but is not in this process.
        detail = f"No provider of this process answers for {error}"
        raise ModelError("llm_not_found", detail) from None
    if provider is None:
        async for chunk in answer(request):
            yield chunk
        return
    import openai  # noqa: PLC0415 (importing it takes seconds; most commands call no model)

    finished = False
    try:
        # Plain JSON: converting every message and chunk to the library's types takes most of the
        # processor time of a turn.
        stream = await _client(provider).post(
            "/chat/completions",
            body=payload(request),
            cast_to=object,
            options={"timeout": _timeout()},
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
        async with stream:
            async for data in stream:
                for chunk in _chunks(cast("dict[str, Any]", data)):
                    finished = finished or isinstance(chunk, Finish)
                    yield chunk
    except openai.OpenAIError as error:
        raise model_error(error) from error
    except Exception as error:
        # On a broken stream, the library also raises errors of other libraries.
        cause = f"{type(error).__name__}: {error}"
        raise ModelError("llm_error", UNREADABLE, cause=cause) from error
    if not finished:
        raise ModelError("llm_error", "The reply ended without a finish_reason")


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
    import openai  # noqa: PLC0415 (as in `ask`)

    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    if provider not in clients:
        clients[provider] = openai.AsyncOpenAI(
            api_key=provider.api_key,
            base_url=provider.base_url,
            max_retries=MAX_RETRIES,
            http_client=openai.DefaultAioHttpClient(),  # needs less processor time than httpx
        )
    return clients[provider]


def prepare() -> None:
    """Import the client library in advance, which takes seconds, if a provider is configured."""
    if providers():
        import openai  # noqa: F401, PLC0415 (as in `ask`)


async def close_clients() -> None:
    """Close the connections of the running event loop."""
    for client in _clients.pop(asyncio.get_running_loop(), {}).values():
        await client.close()


def _timeout() -> "Timeout":
    import openai  # noqa: PLC0415 (as in `ask`)

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
    import openai  # noqa: PLC0415 (as in `ask`)

    if isinstance(error, openai.APITimeoutError) and not _is_refused_connection(error):
        return ModelError("llm_timeout", f"No bytes for {conf.MODEL_TIMEOUT:g} s")
    if isinstance(error, openai.APIConnectionError):
        cause = str(error.__cause__ or error)
        return ModelError("llm_connection_error", "The connection failed", cause=cause)
    if isinstance(error, openai.APIStatusError):
        kind = _BY_HTTP_STATUS.get(error.status_code, "llm_error")
        if _is_context_overflow(error):
            kind = "context_window_exceeded"
        return ModelError(kind, f"The provider returned {error.status_code}", cause=str(error))
    return ModelError("llm_error", UNREADABLE, cause=str(error))


def _is_refused_connection(error: BaseException) -> bool:
    # The transport reports a connection that could not be opened as a timeout, too.
    cause = error.__cause__
    while cause is not None:
        if isinstance(cause, OSError) and not isinstance(cause, TimeoutError):
            return True
        cause = cause.__cause__
    return False


def _is_context_overflow(error: "APIStatusError") -> bool:
    text = str(error).lower()
    return error.status_code in (400, 413) and (
        getattr(error, "code", None) == "context_length_exceeded"
        or "context length" in text
        or "context size" in text
        or "maximum context" in text
    )
