"""The model that replies while no provider is configured, and shows how memory works."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

from .requests import CallChunk, Chunk, Finish, ModelRequest, TextChunk, Usage
from .tokens import count_tokens

LABELS = re.compile(r"^<([A-Za-z0-9_/-]+)>\n<description>$", re.MULTILINE)
REMEMBER = re.compile(
    r"remember (?P<label>[A-Za-z0-9_/-]+): *(?P<text>.+)", re.IGNORECASE | re.DOTALL
)
HINT = (
    "I am the scripted model, which answers while no language model is set up "
    "(OPENAI_API_KEY or OPENAI_BASE_URL). "
)


async def answer(request: ModelRequest) -> AsyncIterator[Chunk]:
    """Reply word by word; call memory_insert if asked to `remember LABEL: TEXT`."""
    last = request.messages[-1] if request.messages else {}
    prompt = sum(count_tokens(str(message.get("content") or "")) for message in request.messages)
    command = REMEMBER.fullmatch(_text(last).strip()) if last.get("role") == "user" else None
    if command and any(tool["function"]["name"] == "memory_insert" for tool in request.tools):
        arguments = json.dumps({"label": command["label"], "new_string": command["text"]})
        yield CallChunk(0, id="call_0", name="memory_insert", arguments=arguments)
        yield Finish("tool_calls")
        yield Usage(prompt, count_tokens(arguments))
        return
    text = _reply(request, last)
    for word in re.findall(r"\S+\s*", text):
        yield TextChunk(word)
        await asyncio.sleep(0)
    yield Finish("stop")
    yield Usage(prompt, count_tokens(text))


def _reply(request: ModelRequest, last: dict[str, Any]) -> str:
    if last.get("role") == "tool":
        return f"{HINT}The tool answered: {_text(last)}"
    system = next((_text(m) for m in request.messages if m.get("role") == "system"), "")
    labels = ", ".join(LABELS.findall(system)) or "no block"
    return (
        f"{HINT}I read {labels}. You said: {_text(last)} "
        "(Write “remember LABEL: TEXT”, and I edit that block.)"
    )


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
