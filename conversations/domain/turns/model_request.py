"""The request of a step: a conversation in the shape of OpenAI's chat completions."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ...llm.requests import ModelRequest
from ...llm.tokens import count_tokens
from ...models import Agent, Conversation, Message, Tool
from ..runs.request import TurnRequest
from ..tools.definitions import client_tool_definition, tool_definitions

Role = Message.Role

SUMMARY_NOTE = (
    "The earlier part of this conversation is no longer shown to you. What it said, in short:\n\n"
)
NO_RESULT = "(no result was recorded)"


def model_request(
    conversation: Conversation,
    messages: Sequence[Message],
    request: TurnRequest,
    *,
    tools: Iterable[Tool],
    labels: Sequence[str],
) -> ModelRequest:
    """Return the next request.

    `messages` are those in context, the system message first; `labels` those of its blocks. A
    client tool replaces one of the agent's `tools` with the same name.
    """
    agent = conversation.agent
    shown = chat_messages(messages)
    if request.system is not None:
        shown = [{"role": "system", "content": request.system}, *shown[1:]]
    client_tools = {tool["name"] for tool in request.client_tools}
    own = [tool for tool in tools if tool.name not in client_tools]
    definitions = tool_definitions(own, labels)
    definitions += [client_tool_definition(tool) for tool in request.client_tools]
    return ModelRequest(
        handle=request.model or conversation.model or agent.model,
        fallback=agent.fallback_model,
        messages=shown,
        tools=definitions,
        settings=model_settings(agent.model_settings, conversation.model_settings),
    )


def prompt_request(
    agent: Agent,
    prompt: str,
    *,
    system: str | None = None,
    model: str | None = None,
    schema: dict[str, Any] | None = None,
) -> ModelRequest:
    """Return a request with a prompt alone: without memory, messages and tools.

    Args:
        agent: Its model and settings are used.
        prompt: The message of the user.
        system: The system prompt; none by default.
        model: The handle of another model.
        schema: The JSON schema of the reply.
    """
    messages = [{"role": "system", "content": system}] if system else []
    settings = model_settings(agent.model_settings)
    if schema is not None:
        named = {"name": "reply", "schema": schema}
        settings["response_format"] = {"type": "json_schema", "json_schema": named}
    return ModelRequest(
        handle=model or agent.model,
        messages=[*messages, {"role": "user", "content": prompt}],
        settings=settings,
        fallback=agent.fallback_model,
    )


def model_settings(*layers: dict[str, Any] | None) -> dict[str, Any]:
    """Translate V1's model settings to fields of the request; later layers take precedence."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= {name: value for name, value in (layer or {}).items() if value is not None}
    settings: dict[str, Any] = {
        name: merged[name]
        for name in ("temperature", "parallel_tool_calls", "response_format", "tool_choice")
        if name in merged
    }
    if "max_output_tokens" in merged:
        settings["max_tokens"] = merged["max_output_tokens"]
    reasoning = merged.get("reasoning")
    if isinstance(reasoning, dict) and reasoning.get("reasoning_effort"):
        settings["reasoning_effort"] = reasoning["reasoning_effort"]
    if settings.get("response_format") == {"type": "text"}:
        del settings["response_format"]
    return settings


def chat_messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Translate stored messages.

    Providers require a result after each tool call and no others. Where imported data lacks a
    result, a note replaces it; results without a call are left out.
    """
    shown: list[dict[str, Any]] = []
    waiting: dict[str, None] = {}  # ordered, unlike a set

    def close() -> None:
        missing = {"role": "tool", "content": NO_RESULT}
        shown.extend({**missing, "tool_call_id": call_id} for call_id in waiting)
        waiting.clear()

    for message in messages:
        if message.role == Role.APPROVAL and not message.tool_calls:
            continue  # A decision; its results say what became of the calls.
        if message.role == Role.TOOL:
            results = _results(message)
            for result in results:
                if result["tool_call_id"] in waiting:
                    del waiting[result["tool_call_id"]]
                    shown.append(result)
            continue
        close()
        shown.append(_chat_message(message))
        waiting.update(dict.fromkeys(call["id"] for call in message.tool_calls))
    close()
    return shown


def _results(message: Message) -> list[dict[str, Any]]:
    returns = message.tool_returns or [{"func_response": message.text}]
    return [
        {
            "role": "tool",
            "tool_call_id": item.get("tool_call_id") or message.tool_call_id or "",
            "content": str(item.get("func_response") or ""),
        }
        for item in returns
    ]


def _chat_message(message: Message) -> dict[str, Any]:
    if message.role == Role.SUMMARY:
        return {"role": "user", "content": f"{SUMMARY_NOTE}{message.text}"}
    if message.role in (Role.ASSISTANT, Role.APPROVAL):
        shown: dict[str, Any] = {"role": "assistant", "content": message.text or None}
        if message.tool_calls:
            shown["tool_calls"] = [_call(call) for call in message.tool_calls]
        elif not message.text:
            shown["content"] = ""
        return shown
    return {"role": message.role, "content": _content(message)}


def _call(call: dict[str, Any]) -> dict[str, Any]:
    arguments = call["function"]["arguments"]
    try:
        is_object = isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        is_object = False
    # Providers refuse the broken JSON that a model has written; its result says what was wrong.
    function = {"name": call["function"]["name"], "arguments": arguments if is_object else "{}"}
    return {"id": call["id"], "type": "function", "function": function}


def _content(message: Message) -> str | list[dict[str, Any]]:
    if all(part["type"] == "text" for part in message.content):
        return message.text
    parts: list[dict[str, Any]] = []
    for part in message.content:
        if part["type"] == "text":
            parts.append({"type": "text", "text": part.get("text", "")})
        elif part["type"] == "image" and (url := _image_url(part.get("source") or {})):
            parts.append({"type": "image_url", "image_url": {"url": url}})
    return parts


def _image_url(source: dict[str, Any]) -> str | None:
    if source.get("type") == "base64":
        return f"data:{source.get('media_type', 'image/png')};base64,{source.get('data', '')}"
    return source.get("url")


def request_tokens(request: ModelRequest) -> int:
    """Estimate the tokens that the model will read."""
    texts = [json.dumps(message, ensure_ascii=False) for message in request.messages]
    texts += [json.dumps(tool, ensure_ascii=False) for tool in request.tools]
    return sum(count_tokens(text) for text in texts)
