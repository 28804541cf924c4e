"""Traces: what a step's model was sent, and what it replied, within a maximum size."""

from typing import Any, TypedDict

import orjson

from ...llm.requests import ModelRequest
from .reply import ModelReply

# Of a request's messages, in bytes of JSON. Older messages are left out first.
MAX_TRACE_SIZE = 256 * 1024


class Trace(TypedDict):
    """The stored trace of a step, in the shape of OpenAI's chat completions."""

    request: dict[str, Any]
    response: dict[str, Any]


def trace_of(request: ModelRequest, reply: ModelReply, handle: str) -> Trace:
    """Return the trace of a call of the model that a handle names."""
    model = handle.partition("/")[2] or handle
    sent = {"model": model, "messages": _bounded(request.messages), **request.settings}
    if request.tools:
        sent["tools"] = request.tools
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if calls := [*reply.calls, *reply.calls_awaiting_client]:
        message["tool_calls"] = calls
    choice = {"index": 0, "finish_reason": reply.finish_reason, "message": message}
    return {"request": sent, "response": {"model": model, "choices": [choice]}}


def _bounded(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first message and as many of the newest ones as the maximum size allows."""
    if len(orjson.dumps(messages)) <= MAX_TRACE_SIZE:
        return messages
    first, *rest = messages
    kept = [_short(first)]
    left = MAX_TRACE_SIZE - len(orjson.dumps(kept))
    newest: list[dict[str, Any]] = []
    for message in reversed(rest):
        short = _short(message)
        left -= len(orjson.dumps(short))
        if left < 0:
            break
        newest.append(short)
    if omitted := len(rest) - len(newest):
        kept.append({"role": "system", "content": f"({omitted} messages are not in this trace)"})
    return [*kept, *newest[::-1]]


def _short(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message, without its content if that alone is too large."""
    size = len(orjson.dumps(message))
    if size <= MAX_TRACE_SIZE // 2:
        return message
    return {"role": message["role"], "content": f"({size} bytes are not in this trace)"}
