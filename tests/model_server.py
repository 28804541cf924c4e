"""Serve OpenAI's embeddings and chat completions; a script in the user message decides on those.

A script has one instruction per line; tests/script.py builds them. Each request of a turn takes
the next reply of the script; once the script has ended, the reply is "done".

Instructions that complete a reply:

    SAY text            Stream the text, one word per chunk.
    CALL name {json}    Call a tool.
    LENGTH text         Stream the text; finish with the reason "length".
    CUT text            Stream the text; drop the connection.
    END text            Stream the text; end the stream without a finish reason.
    BROKEN text         Stream the text; send a chunk that is not JSON.
    ECHO_SYSTEM         Stream the system message.
    (anything else)     Stream "mock reply: " and the line.

Instructions that add to the reply that follows:

    THINK text          Stream reasoning.
    CALL+ name {json}   Call a tool in the same reply.
    CHUNK json          Send a chunk as it is.

Instructions that delay or replace the reply that follows:

    SLEEP seconds       Wait.
    HOLD                Wait until the test calls `go_on`.
    PAUSE seconds       Wait between the chunks.
    FAIL status [xN]    Respond with an error status: N times, or always.
    FAIL status after S The same always, with `Retry-After: S`.
    OVERFLOW [xN]       The same with status 400 and the code `context_length_exceeded`.

The model FAIL-MODEL always responds with 400; SLOW-MODEL waits five seconds first.
"""

import asyncio
import json
import re
import threading
from collections import Counter
from contextlib import contextmanager

import uvicorn

# What the vectors of texts tell apart.
THINGS = [
    {"ice", "freezes", "frozen", "cold", "winter"},
    {"sea", "harbor", "tides", "ocean", "port"},
    {"book", "novel", "library"},
    {"tea", "coffee", "drink"},
]
DIMENSIONS = 1536
FAIL = re.compile(r"(?:FAIL (?P<status>\d+)|OVERFLOW)(?: x(?P<times>\d+)| after (?P<after>\d+))?")


class ModelServer:
    """The ASGI application: its `url` for OPENAI_BASE_URL, and the `requests` it received."""

    def __init__(self):
        self.requests: list[dict] = []
        self.embedded: list[list[str]] = []
        self.embeddings_fail = 0  # The status of each request for vectors; 0 responds with them.
        self.url = ""
        self.may_go_on = threading.Event()
        self._failures: Counter[str] = Counter()

    def start_over(self) -> None:
        self.requests.clear()
        self.embedded.clear()
        self.embeddings_fail = 0
        self.may_go_on.clear()

    def go_on(self) -> None:
        """Release requests that wait at a HOLD, and later ones until `start_over`."""
        self.may_go_on.set()

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if scope["path"].endswith("/models"):
            names = ["gpt-4o-mini", "text-embedding-3-small"]
            listed = [{"id": name, "object": "model"} for name in names]
            models = {"object": "list", "data": listed}
            await _respond(send, 200, models)
            return
        request = json.loads(body)
        if scope["path"].endswith("/embeddings"):
            await self._embed(request, send)
            return
        self.requests.append(request)
        await self._answer(request, send)

    async def _embed(self, request: dict, send) -> None:
        self.embedded.append(request["input"])
        if self.embeddings_fail or any("UNEMBEDDABLE" in text for text in request["input"]):
            await _fail(send, self.embeddings_fail or 400)
            return
        data = [
            {"object": "embedding", "index": index, "embedding": vector_of(text)}
            for index, text in enumerate(request["input"])
        ]
        await _respond(send, 200, {"object": "list", "data": data[::-1]})

    async def _answer(self, request: dict, send) -> None:
        if request["model"] == "FAIL-MODEL":
            await _fail(send, 400)
            return
        if request["model"] == "SLOW-MODEL":
            await asyncio.sleep(5)
        lines, step = _script(request["messages"])
        pause = 0.0
        while lines:
            line = lines[0]
            word, _, rest = line.partition(" ")
            if word == "SLEEP":
                await asyncio.sleep(float(rest))
            elif line == "HOLD":
                while not self.may_go_on.is_set():
                    await asyncio.sleep(0.01)
            elif word == "PAUSE":
                pause = float(rest)
            elif failure := FAIL.fullmatch(line):
                key = json.dumps(request["messages"][-1])
                self._failures[key] += 1
                if self._failures[key] <= int(failure["times"] or 1_000_000):
                    await _fail(
                        send,
                        int(failure["status"] or 400),
                        is_overflow=not failure["status"],
                        retry_after=failure["after"],
                    )
                    return
            else:
                break
            lines = lines[1:]
        stream = Stream(send, request, pause)
        await stream.start()
        await stream.run(_actions(lines, step, request["messages"]))


def vector_of(text: str) -> list[float]:
    """Return a vector that is near those of texts about the same things.

    Each known thing has a dimension; so `ice` and `frozen` are near without a common word.
    """
    words = re.findall(r"\w+", text.lower())
    vector = [0.01] * DIMENSIONS
    for dimension, things in enumerate(THINGS):
        vector[dimension] += sum(word in things for word in words)
    return vector


def _script(messages: list[dict]) -> tuple[list[str], int]:
    """Return the instructions for this request, and how many replies came before it."""
    last = max((i for i, m in enumerate(messages) if m["role"] == "user"), default=-1)
    text = _text(messages[last]) if last >= 0 else ""
    step = sum(1 for message in messages[last + 1 :] if message["role"] == "assistant")
    groups: list[list[str]] = []
    before: list[str] = []
    for line in text.split("\n"):
        before.append(line)
        word = line.partition(" ")[0]
        if word not in ("SLEEP", "HOLD", "PAUSE", "THINK", "CALL+", "CHUNK") and not FAIL.fullmatch(
            line
        ):
            groups.append(before)
            before = []
    if before:
        groups.append(before)
    return (groups[step] if step < len(groups) else ["SAY done"]), step


def _text(message: dict) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def _actions(lines: list[str], step: int, messages: list[dict]) -> list[tuple[str, str]]:
    actions = []
    for line in lines:
        word, _, rest = line.partition(" ")
        if word in ("SAY", "THINK", "CUT", "END", "BROKEN", "LENGTH", "CHUNK"):
            actions.append((word, rest))
        elif word in ("CALL", "CALL+"):
            actions.append(("CALL", rest))
        elif line == "ECHO_SYSTEM":
            actions.append(("SAY", _text(messages[0])))
        elif line:
            actions.append(("SAY", f"mock reply: {line}"))
    return actions


class Stream:
    def __init__(self, send, request: dict, pause: float):
        self.send, self.request, self.pause = send, request, pause
        self.tokens = 0
        self.calls = 0

    async def start(self) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})

    async def run(self, actions: list[tuple[str, str]]) -> None:
        reason = "stop"
        for kind, text in actions:
            if kind == "CALL":
                await self._call(text)
                reason = "tool_calls"
            elif kind == "THINK":
                await self._words(text, "reasoning_content")
            elif kind == "CHUNK":
                await self._write(b"data: " + text.encode() + b"\n\n")
            else:
                await self._words(text, "content")
            if kind == "CUT":
                raise ConnectionAbortedError("the script says CUT")
            if kind == "END":
                await self.send({"type": "http.response.body", "body": b""})
                return
            if kind == "BROKEN":
                await self._write(b"data: {not json\n\n")
            if kind == "LENGTH":
                reason = "length"
        await self._chunk([{"index": 0, "delta": {}, "finish_reason": reason}])
        prompt = len(json.dumps(self.request["messages"])) // 4
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": self.tokens,
            "total_tokens": prompt + self.tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }
        await self._chunk([], usage=usage)
        await self._write(b"data: [DONE]\n\n")
        await self.send({"type": "http.response.body", "body": b""})

    async def _words(self, text: str, field: str) -> None:
        for piece in re.findall(r"\S+\s*|\s+", text):
            self.tokens += 1
            await self._chunk([{"index": 0, "delta": {field: piece}}])
            await asyncio.sleep(self.pause)

    async def _call(self, text: str) -> None:
        name, _, arguments = text.partition(" ")
        number, self.calls = self.calls, self.calls + 1
        call = {"index": number, "id": f"call_{number}", "type": "function"}
        opening = {**call, "function": {"name": name, "arguments": ""}}
        await self._chunk([{"index": 0, "delta": {"tool_calls": [opening]}}])
        for start in range(0, len(arguments), 7):
            self.tokens += 1
            part = {"index": number, "function": {"arguments": arguments[start : start + 7]}}
            await self._chunk([{"index": 0, "delta": {"tool_calls": [part]}}])
            await asyncio.sleep(self.pause)

    async def _chunk(self, choices: list[dict], **fields) -> None:
        chunk = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": self.request["model"],
            "choices": choices,
            **fields,
        }
        await self._write(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    async def _write(self, data: bytes) -> None:
        await self.send({"type": "http.response.body", "body": data, "more_body": True})


async def _fail(
    send, status: int, *, is_overflow: bool = False, retry_after: str | None = None
) -> None:
    code = "context_length_exceeded" if is_overflow else None
    error = {"message": f"mock failure {status} of sk-secret", "type": "mock_error", "code": code}
    await _respond(send, status, {"error": error}, retry_after=retry_after)


async def _respond(send, status: int, body: dict, *, retry_after: str | None = None) -> None:
    headers = [(b"content-type", b"application/json")]
    if retry_after is not None:
        headers.append((b"retry-after", retry_after.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


@contextmanager
def model_server():
    """Yield a server that runs on a free local port, in a thread."""
    app = ModelServer()
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive(), "the model server did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    app.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield app
    finally:
        server.should_exit = True
        thread.join(10)


if __name__ == "__main__":
    with model_server() as running:
        print(running.url, flush=True)
        threading.Event().wait()
