"""The runner of tools with Python source: each call is a process of its own."""

import asyncio
import json
import math
import os
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...conf import conf
from ...domain.memory.effective import effective_blocks
from ...domain.tools.execution import ToolResult
from ...domain.tools.variables import variables_of
from ...encryption import SecretUnreadable
from ...models import Tool
from ..database import in_database
from .runner import CallContext
from .sandbox import NOBODY, as_nobody, python_command, sandboxed

PROGRAM = Path(__file__).with_name("harness.py").read_text(encoding="utf-8")
# In bytes: what is kept of the output, and what a result may have.
MAX_OUTPUT = 64 * 2**10
MAX_RESULT = 4 * 2**20
MAX_FILE_SIZE = 64 * 2**20
MAX_OPEN_FILES = 256
# How often to look whether a process has ended, in seconds; usually its pipes tell.
POLL_INTERVAL = 0.02
# Including threads. Without a sandbox, the server's own count too.
MAX_PROCESSES = {"bubblewrap": 32, "subprocess": 512}


@dataclass(frozen=True)
class _Output:
    """What a process wrote, and its exit status: negative for a signal."""

    result: bytes
    stdout: bytes
    stderr: bytes
    status: int


class PythonRunner:
    """Runs tools with Python source, as TOOL_RUNNER says."""

    async def run(self, tool: Tool, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        """Run the function in a process, and end the process whatever happens."""
        if conf.TOOL_RUNNER == "off":
            return _failure(f"this server does not run tools with source, such as {tool.name}")
        if not tool.source_code:
            return _failure(f"{tool.name} has no source code")
        try:
            request = await in_database(_request, tool, arguments, context)
        except SecretUnreadable as error:
            return _failure(str(error))
        try:
            output = await _execute(json.dumps(request).encode(), network=tool.network)
        except OSError as error:
            return _failure(f"the process of {tool.name} can't be started: {error.strerror}")
        return _result(tool, output)


def _failure(text: str) -> ToolResult:
    return ToolResult(f"Error: {text}", is_error=True, stdout=[], stderr=[])


def _request(tool: Tool, arguments: dict[str, Any], context: CallContext) -> dict[str, Any]:
    """Return what the harness reads: the function, its arguments, variables and limits."""
    variables: dict[str, str] = {}
    state: dict[str, Any] = {"blocks": []}
    if conversation := context.conversation:
        agent = conversation.agent
        variables = variables_of(agent)
        state = {
            "id": agent.pk,
            "name": agent.name,
            "system": agent.system,
            "agent_type": agent.agent_type,
            "description": agent.description,
            "tags": agent.tags,
            "metadata": agent.metadata,
            "blocks": [
                {
                    "id": each.block.pk,
                    "label": each.label,
                    "value": each.block.value,
                    "description": each.block.description,
                    "limit": each.block.limit,
                    "read_only": each.block.read_only,
                }
                for each in effective_blocks(conversation)
            ],
        }
    return {
        "name": tool.name,
        "source": tool.source_code,
        "args": arguments,
        "variables": {**variables, **context.variables},
        "agent_state": state,
        "limits": {
            "RLIMIT_AS": conf.TOOL_MEMORY * 2**20,
            "RLIMIT_CPU": math.ceil(conf.TOOL_TIMEOUT),
            "RLIMIT_FSIZE": MAX_FILE_SIZE,
            "RLIMIT_NOFILE": MAX_OPEN_FILES,
            "RLIMIT_NPROC": MAX_PROCESSES[conf.TOOL_RUNNER],
            "RLIMIT_CORE": 0,
        },
    }


async def _execute(request: bytes, *, network: bool) -> _Output:
    python = conf.TOOL_PYTHON or sys.executable
    result_read, result_write = os.pipe()
    command = [*python_command(python, PROGRAM), str(result_write)]
    if conf.TOOL_RUNNER == "bubblewrap":
        command = sandboxed(command, python=python, network=network)
    with tempfile.TemporaryDirectory(prefix="tool-") as folder, open(result_read, "rb") as result:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
            command = as_nobody(command)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=folder,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": folder},
                pass_fds=[result_write],
                start_new_session=True,
            )
        finally:
            os.close(result_write)
        try:
            return await _communicate(process, request, result)
        finally:
            _kill(process)
            await asyncio.gather(_read_some(process.stdout), _read_some(process.stderr))
            await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill the process with every other that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _communicate(process: asyncio.subprocess.Process, request: bytes, result: Any) -> _Output:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), result
    )
    try:
        _, answer, stdout, stderr, status = await asyncio.gather(
            _send(process.stdin, request),
            _read_result(reader, process),
            _read_some(process.stdout),
            _read_some(process.stderr),
            _wait(process),
        )
        return _Output(answer, stdout, stderr, status)
    finally:
        transport.close()


async def _send(stdin: asyncio.StreamWriter | None, data: bytes) -> None:
    if stdin is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):
        stdin.write(data)
        await stdin.drain()
    stdin.close()


async def _read_result(reader: asyncio.StreamReader, process: asyncio.subprocess.Process) -> bytes:
    """Read the result, and kill the process if it is longer than MAX_RESULT."""
    data = bytearray()
    while chunk := await reader.read(2**16):
        if len(data) <= MAX_RESULT:
            data += chunk
            if len(data) > MAX_RESULT:
                _kill(process)
    return bytes(data)


async def _read_some(reader: asyncio.StreamReader | None) -> bytes:
    """Read to the end and return the beginning."""
    data = bytearray()
    while reader is not None and (chunk := await reader.read(2**16)):
        data += chunk[: MAX_OUTPUT - len(data)]
    return bytes(data)


async def _wait(process: asyncio.subprocess.Process) -> int:
    """Wait until the process has ended, and end what it left behind, which keeps pipes open."""
    # `process.wait()` waits for the pipes too.
    while process.returncode is None:
        await asyncio.sleep(POLL_INTERVAL)
    _kill(process)
    return process.returncode


def _result(tool: Tool, output: _Output) -> ToolResult:
    if len(output.result) > MAX_RESULT:
        return _failure(f"{tool.name} returned more than {MAX_RESULT} bytes")
    stdout, stderr = _text(output.stdout), _text(output.stderr)
    try:
        answer = json.loads(output.result)
        is_ok, text, traceback = bool(answer["ok"]), str(answer["text"]), str(answer["traceback"])
    except (ValueError, TypeError, KeyError, RecursionError):
        cause = _cause(output)
        text = f"Error executing function {tool.name}: the process ended without a result{cause}"
        return ToolResult(text, True, stdout, stderr)
    if traceback:
        stderr = [*stderr, traceback]
    return ToolResult(text, not is_ok, stdout, stderr)


def _text(output: bytes) -> list[str]:
    return [output.decode("utf-8", "replace")] if output else []


def _cause(output: _Output) -> str:
    # bwrap reports the signal of its child as 128 plus its number.
    number = -output.status if output.status < 0 else output.status - 128
    if number == signal.SIGXCPU or number == signal.SIGKILL:
        return " (a limit of time or memory was reached)"
    last = output.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    return f": {last}" if last else f" (exit status {output.status})"
