"""The model that answers while no provider is set up: it says so, and shows how memory works."""

import asyncio
import json
import re
from collections.abc import AsyncIterator

from .requests import CallPiece, Finish, ModelRequest, Piece, TextPiece, Usage
from .tokens import count_tokens

LABELS = re.compile(r"^<([A-Za-z0-9_/-]+)>\n<description>$", re.MULTILINE)
REMEMBER = re.compile(
    r"remember (?P<label>[A-Za-z0-9_/-]+): *(?P<text>.+)", re.IGNORECASE | re.DOTALL
)
HINT = (
    "I am the scripted model, which answers while no language model is set up "
    "(OPENAI_API_KEY or OPENAI_BASE_URL). "
)


async def answer(request: ModelRequest) -> AsyncIterator[Piece]:
    """One answer, word by word. `remember LABEL: TEXT` makes it call memory_insert."""
    last = request.messages[-1] if request.messages else {}
    prompt = sum(count_tokens(str(message.get("content") or "")) for message in request.messages)
    wish = REMEMBER.fullmatch(_text(last).strip()) if last.get("role") == "user" else None
    if wish and any(tool["function"]["name"] == "memory_insert" for tool in request.tools):
        arguments = json.dumps({"label": wish["label"], "new_string": wish["text"]})
        yield CallPiece(0, id="call_0", name="memory_insert", arguments=arguments)
        yield Finish("tool_calls")
        yield Usage(prompt, count_tokens(arguments))
        return
    text = _reply(request, last)
    for word in re.findall(r"\S+\s*", text):
        yield TextPiece(word)
        await asyncio.sleep(0)
    yield Finish("stop")
    yield Usage(prompt, count_tokens(text))


def _reply(request: ModelRequest, last: dict) -> str:
    if last.get("role") == "tool":
        return f"{HINT}The tool answered: {_text(last)}"
    system = next((_text(m) for m in request.messages if m.get("role") == "system"), "")
    labels = ", ".join(LABELS.findall(system)) or "no block"
    return (
        f"{HINT}I read {labels}. You said: {_text(last)} "
        "(Write “remember LABEL: TEXT”, and I edit that block.)"
    )


def _text(message: dict) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
