"""Asking a model and reading its answer as it comes."""

import asyncio
import json
import weakref
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

from ..conf import conf
from ..text import replace_unstorable
from .providers import Provider, providers, resolve
from .requests import (
    CallPiece,
    Finish,
    ModelError,
    ModelRequest,
    Piece,
    ReasoningPiece,
    TextPiece,
    UnknownModel,
    Usage,
)
from .scripted import answer

if TYPE_CHECKING:
    from openai import AsyncOpenAI

# Before the first byte; the library waits between them, longer each time and by chance.
RETRIES = 2
CONNECT_TIMEOUT = 5.0

# Connections belong to the loop that opened them.
_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Provider, "AsyncOpenAI"]] = (
    weakref.WeakKeyDictionary()
)


async def ask(request: ModelRequest) -> AsyncIterator[Piece]:
    """The answer in pieces, the last of which is its Finish and, before or after it, its Usage.

    Raises ModelError; also when the answer breaks off.
    """
    try:
        provider, _ = resolve(request.handle)
    except UnknownModel as error:
        # Known where the turn was asked for, or when it was, and not here and now.
        kind, message, status = ERRORS[404]
        detail = f"No provider of this process answers for {error}"
        raise ModelError(kind, message, detail, status=status) from None
    if provider is None:
        async for piece in answer(request):
            yield piece
        return
    import openai  # noqa: PLC0415 (takes seconds, which commands that ask nothing need not wait)

    finished = False
    try:
        # Read as plain JSON: making objects of the library's types of every message sent and of
        # every piece that comes took most of a turn's time.
        stream = await _client(provider).post(
            "/chat/completions",
            body=payload(request),
            cast_to=object,
            options={"timeout": _timeout()},
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
        async with stream:
            async for chunk in stream:
                for piece in _pieces(cast(dict, chunk)):
                    finished = finished or isinstance(piece, Finish)
                    yield piece
    except openai.OpenAIError as error:
        raise _model_error(error) from error
    except Exception as error:
        # What a broken stream makes the library raise is not all its own: decoding errors, say.
        raise _broken(f"{type(error).__name__}: {error}") from error
    if not finished:
        raise _broken("The answer broke off before the model said that it was done")


def payload(request: ModelRequest) -> dict[str, Any]:
    """The request as it goes to the provider. UnknownModel if there is none for its handle."""
    _, model = resolve(request.handle)
    body: dict[str, Any] = {"model": model, "messages": request.messages, **request.settings}
    if request.tools:
        body["tools"] = request.tools
    else:
        body.pop("parallel_tool_calls", None)
        body.pop("tool_choice", None)
    return {**body, "stream": True, "stream_options": {"include_usage": True}}


def _client(provider: Provider) -> "AsyncOpenAI":
    import openai  # noqa: PLC0415 (as above)

    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    if provider not in clients:
        clients[provider] = openai.AsyncOpenAI(
            api_key=provider.api_key,
            base_url=provider.base_url,
            max_retries=RETRIES,
            http_client=openai.DefaultAioHttpClient(),  # less work than its usual one
        )
    return clients[provider]


def prepare() -> None:
    """Load what asking a provider takes, which is seconds that no turn need wait for."""
    if providers():
        import openai  # noqa: F401, PLC0415 (as above)


async def close_clients() -> None:
    """Close the connections that this loop has opened."""
    for client in _clients.pop(asyncio.get_running_loop(), {}).values():
        await client.close()


def _timeout():
    import openai  # noqa: PLC0415 (as above)

    return openai.Timeout(conf.MODEL_TIMEOUT, connect=CONNECT_TIMEOUT)


def _pieces(chunk: dict) -> list[Piece]:
    pieces: list[Piece] = []
    for choice in chunk.get("choices") or []:
        delta = choice.get("delta") or {}
        # Servers of reasoning models send it under one of these names, beside the standard.
        if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
            pieces.append(ReasoningPiece(_text(reasoning)))
        if text := delta.get("content") or delta.get("refusal"):
            pieces.append(TextPiece(_text(text)))
        for call in delta.get("tool_calls") or []:
            function = call.get("function") or {}
            index, call_id = call.get("index"), call.get("id")
            pieces.append(
                CallPiece(
                    index=index if isinstance(index, int) else 0,
                    id=replace_unstorable(call_id) if isinstance(call_id, str) else "",
                    name=_text(function.get("name") or ""),
                    arguments=_text(function.get("arguments") or ""),
                )
            )
        if reason := choice.get("finish_reason"):
            pieces.append(Finish(reason))
    if usage := chunk.get("usage"):
        pieces.append(_usage(usage))
    return pieces


def _text(value: Any) -> str:
    """Some servers send an object or an array where a text belongs, arguments above all."""
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
    # Sums of them are JSON numbers, which clients read as doubles.
    return value if isinstance(value, int) and 0 <= value < 2**40 else None


# By HTTP status: type, message, and the status that V1 passes on.
ERRORS = {
    400: ("llm_bad_request", "The request to the LLM model provider was invalid.", 400),
    401: ("llm_authentication", "Authentication failed with the LLM model provider.", 401),
    402: ("llm_insufficient_credits", "The LLM model provider wants to be paid first.", 402),
    403: ("llm_permission_denied", "The LLM model provider denied access.", 401),
    404: ("llm_not_found", "The LLM model provider does not know this model.", 400),
    408: ("llm_timeout", "The LLM request timed out.", 504),
    422: ("llm_bad_request", "The request to the LLM model provider was invalid.", 400),
    429: ("llm_rate_limit", "Rate limit exceeded for LLM model provider.", 429),
    504: ("llm_timeout", "The LLM request timed out.", 504),
}
OTHER_ERROR = ("llm_error", "An error occurred with the LLM request.", 500)


def _model_error(error: Exception) -> ModelError:
    import openai  # noqa: PLC0415 (as above)

    if isinstance(error, openai.APITimeoutError) and not _is_refusal(error):
        kind, message, status = ERRORS[408]
        return ModelError(kind, message, f"No bytes for {conf.MODEL_TIMEOUT:g} s", status=status)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__
        detail = f"The connection failed: {cause or error}"
        return ModelError("llm_connection_error", OTHER_ERROR[1], detail, status=500)
    if isinstance(error, openai.APIStatusError):
        if _is_context_overflow(error):
            return ModelError(
                "context_window_exceeded",
                "The conversation is longer than the model can read.",
                str(error),
                status=400,
            )
        kind, message, status = ERRORS.get(error.status_code, OTHER_ERROR)
        return ModelError(kind, message, str(error), status=status)
    kind, message, status = OTHER_ERROR
    return ModelError(kind, message, str(error), status=status)


def _is_refusal(error: BaseException) -> bool:
    """Whether no connection came about: the transport takes that for a timeout, too."""
    cause = error.__cause__
    while cause is not None:
        if isinstance(cause, OSError) and not isinstance(cause, TimeoutError):
            return True
        cause = cause.__cause__
    return False


def _is_context_overflow(error) -> bool:
    text = str(error).lower()
    return error.status_code in (400, 413) and (
        getattr(error, "code", None) == "context_length_exceeded"
        or "context length" in text
        or "context size" in text
        or "maximum context" in text
    )


def _broken(detail: str) -> ModelError:
    kind, message, status = OTHER_ERROR
    return ModelError(kind, message, detail, status=status)
