"""Runs the function of one tool in a process of its own; the program of `python_runner`.

It reads a request as JSON from standard input and writes `{"ok", "text", "traceback"}` to the file
descriptor that its argument names. It must not import this package: a sandbox does not have it.
"""

import asyncio
import inspect
import json
import os
import resource
import signal
import sys
import traceback
import typing
from contextlib import suppress
from types import SimpleNamespace
from typing import Any


def main(result_fd: int) -> None:
    """Run the function that standard input describes, and end the process."""
    request = json.load(sys.stdin)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.set_inheritable(result_fd, False)
    os.environ.update(request["variables"])
    for name, value in request["limits"].items():
        limit = getattr(resource, name)
        _, hard = resource.getrlimit(limit)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))
    try:
        answer = {"ok": True, "text": run(request), "traceback": ""}
    except BaseException as error:  # Also SystemExit.
        text = f"Error executing function {request['name']}: {type(error).__name__}: {error}"
        answer = {"ok": False, "text": text, "traceback": traceback.format_exc()}
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    with os.fdopen(result_fd, "w", encoding="utf-8", errors="replace") as result:
        json.dump(answer, result)
    # Also what the tool has started, which would keep the output open.
    os.killpg(0, signal.SIGKILL)


def run(request: dict[str, Any]) -> str:
    """Call the function and return its result as text."""
    name = request["name"]
    namespace: dict[str, Any] = {"__name__": "tool"}
    exec(compile(request["source"], "tool.py", "exec"), namespace)  # noqa: S102 (that is its task)
    function = namespace.get(name)
    if not callable(function):
        raise NameError(f"the source defines no function {name!r}")
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # Annotations may name what the source does not have.
        hints = {}
    arguments = {key: converted(value, hints.get(key)) for key, value in request["args"].items()}
    if "agent_state" in inspect.signature(function).parameters:
        arguments["agent_state"] = agent_state(request["agent_state"])
    value = function(**arguments)
    if inspect.iscoroutine(value):
        value = asyncio.run(value)
    return str(value)


def converted(value: Any, kind: Any) -> Any:
    """Return an argument as the annotation wants it, as V1 does."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if hasattr(kind, "model_validate") and isinstance(value, dict):
        return kind.model_validate(value)
    if origin is list and inner and isinstance(value, list):
        return [converted(item, inner[0]) for item in value]
    if kind is bool and isinstance(value, str):
        return value.strip().lower() in ("true", "1", "yes")
    if kind in (int, float, str) and type(value) is not kind and value is not None:
        return kind(value)
    return value


class Memory:
    """The memory of the agent as the conversation reads it. It can't be changed from here."""

    def __init__(self, blocks: list[dict[str, Any]]) -> None:
        self.blocks = [SimpleNamespace(**block) for block in blocks]

    def get_blocks(self) -> list[Any]:
        """Return all blocks."""
        return list(self.blocks)

    def list_block_labels(self) -> list[str]:
        """Return the labels of all blocks."""
        return [block.label for block in self.blocks]

    def get_block(self, label: str) -> Any:
        """Return the block of a label."""
        for block in self.blocks:
            if block.label == label:
                return block
        raise KeyError(f"Block field {label} does not exist")

    def update_block_value(self, label: str, value: str) -> None:
        """Refuse to change a block."""
        raise NotImplementedError("a tool can't change memory here; use the memory tools")


def agent_state(data: dict[str, Any]) -> Any:
    """Return the object that a parameter `agent_state` gets."""
    return SimpleNamespace(**data, memory=Memory(data["blocks"]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
