"""Build the scripts that tests/model_server.py follows, one instruction per line."""

import json


def script(*instructions: str) -> str:
    """Return a message that makes the model follow the instructions in order."""
    return "\n".join(instructions)


def say(text: str) -> str:
    """Reply with a text, one word per chunk."""
    return f"SAY {text}"


def call(name: str, **arguments: object) -> str:
    """Reply with a call of a tool."""
    return raw_call(name, json.dumps(arguments))


def raw_call(name: str, arguments: str) -> str:
    """Reply with a call whose arguments need not be valid JSON."""
    return f"CALL {name} {arguments}"


def calls(*several: str) -> str:
    """Reply with several calls at once: `calls(call("a"), call("b"))`."""
    *first, last = several
    return script(*(line.replace("CALL", "CALL+", 1) for line in first), last)


def think(text: str) -> str:
    """Stream reasoning before the reply."""
    return f"THINK {text}"


def chunk(data: object) -> str:
    """Stream a chunk before the reply, as it is if it is a string, else as JSON."""
    return f"CHUNK {data if isinstance(data, str) else json.dumps(data)}"


def hold() -> str:
    """Wait before the reply until the test calls `model.go_on()`."""
    return "HOLD"


def pause(seconds: float) -> str:
    """Wait between the chunks of the reply."""
    return f"PAUSE {seconds}"


def fail(status: int, times: int | None = None) -> str:
    """Respond with an error status, `times` times before the reply; None means always."""
    return f"FAIL {status}" if times is None else f"FAIL {status} x{times}"


def overflow(times: int) -> str:
    """Respond `times` times that the conversation exceeds the context window."""
    return f"OVERFLOW x{times}"
