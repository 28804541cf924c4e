"""Tools with Python source in real processes, hostile ones included."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from conversations.domain.tools.execution import ToolResult
from conversations.models import Tool
from conversations.runtime.tool_runners.by_hand import run_by_hand

from ..factories import actor, make_agent, make_conversation, make_tool
from .processes import until
from .sandboxes import interpreter, sandbox_problem

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["bubblewrap", "subprocess"])
def runner(request, configure) -> str:
    if request.param == "bubblewrap" and (problem := sandbox_problem()):
        pytest.skip(problem)
    configure(TOOL_RUNNER=request.param, TOOL_PYTHON=interpreter(), TOOL_TIMEOUT=20)
    return request.param


@pytest.fixture
def sandbox(configure) -> None:
    if problem := sandbox_problem():
        pytest.skip(problem)
    configure(TOOL_RUNNER="bubblewrap", TOOL_PYTHON=interpreter(), TOOL_TIMEOUT=20)


def run(body: str, *, parameters: str = "", network: bool = False, **kwargs) -> ToolResult:
    """Run a tool whose function has this body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    tool = Tool(name="f", source_code=f"def f({parameters}):\n{lines}\n", network=network)
    arguments = kwargs.pop("arguments", {})
    return asyncio.run(run_by_hand(tool, arguments, by=actor(), **kwargs))


def test_result_output_and_arguments_are_as_in_v1(runner):
    body = "import sys\nprint('out')\nprint('err', file=sys.stderr)\nreturn {'n': n, 't': t}"

    result = run(body, parameters="n: int, t: list[str]", arguments={"n": "2", "t": ["a"]})

    assert result == ToolResult("{'n': 2, 't': ['a']}", False, ["out\n"], ["err\n"])


def test_exception_is_reported_with_its_traceback(runner):
    result = run("raise ValueError('because')")

    assert result.text == "Error executing function f: ValueError: because"
    assert result.is_error
    assert 'File "tool.py", line 2, in f' in result.stderr[-1]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import os; os._exit(3)", "ended without a result (exit status 3)"),
        ("return f(1)", "TypeError"),
        ("def g(): return g()\nreturn g()", "RecursionError"),
    ],
)
def test_tool_that_ends_badly_is_an_error(runner, body, expected):
    result = run(body)

    assert result.is_error
    assert expected in result.text


def test_coroutine_function_is_awaited(runner):
    tool = Tool(name="f", source_code="async def f():\n    return 7\n")

    assert asyncio.run(run_by_hand(tool, {}, by=actor())).text == "7"


def test_agent_state_and_variables_are_passed(runner, alice):
    agent = make_agent(alice, labels=["human"], variables={"SECRET_WORD": "tide"})
    body = (
        "import os\n"
        "block = agent_state.memory.get_block('human')\n"
        "return [agent_state.name, block.value, os.environ['SECRET_WORD'], os.environ['OTHER']]"
    )

    result = run(
        body,
        parameters='agent_state: "AgentState"',
        conversation=make_conversation(agent),
        variables={"OTHER": "x"},
    )

    assert result.text == str([agent.name, "about human", "tide", "x"])


def test_endless_loop_ends_with_the_timeout(runner, configure):
    configure(TOOL_TIMEOUT=2)

    result = run("while True: pass")

    assert result.is_error
    assert "took longer than 2 s" in result.text or "limit of time" in result.text


def test_memory_is_limited(runner):
    result = run("return len(bytearray(2 * 2**30))")

    assert "MemoryError" in result.text


def test_large_files_are_refused(runner):
    result = run("with open('big', 'wb') as file:\n    file.write(bytes(100 * 2**20))")

    assert result.is_error


def test_huge_output_and_result_are_cut(runner):
    assert run("return 'x' * 2**23").text == "Error: f returned more than 4194304 bytes"
    printed = run("print('x' * 2**23)\nreturn 'y' * 60_000")
    assert len(printed.stdout[0]) == 64 * 2**10
    assert "truncated since it exceeded the character limit (60000 > 50000)" in printed.text


def test_environment_of_the_server_is_not_inherited(runner, monkeypatch):
    monkeypatch.setenv("SERVER_SECRET", "tide")

    assert "tide" not in run("import os\nreturn dict(os.environ)").text


def test_processes_that_a_tool_starts_end_with_it(runner, tmp_path):
    name = f"sleeper{os.getpid()}"
    body = (
        "import subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', '{name}'])\n"
        "return 'started'"
    )

    assert run(body).text == "started"
    until(lambda: name not in _command_lines(), seconds=20, what="the process has ended")


def _command_lines() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


def test_fork_bomb_is_contained(sandbox):
    body = (
        "import os\n"
        "for _ in range(10_000):\n"
        "    if os.fork() == 0:\n"
        "        import time; time.sleep(60)\n"
        "return 'forked'"
    )

    result = run(body)

    assert "BlockingIOError" in result.text


@pytest.mark.parametrize("path", ["/etc/passwd", "/root", "/home", "/var", str(Path(__file__))])
def test_sandbox_has_no_files_of_the_host(sandbox, path):
    result = run(f"import os\nos.stat({path!r})")

    assert "FileNotFoundError" in result.text


def test_sandbox_sees_only_its_own_processes(sandbox):
    result = run("import os\nreturn sum(name.isdigit() for name in os.listdir('/proc'))")

    assert int(result.text) <= 3


def test_sandbox_writes_only_to_its_own_folder(sandbox):
    assert run("open('/tmp/mine', 'w').write('x')\nreturn open('/tmp/mine').read()").text == "x"
    for path in ("/usr/x", "/x", "/etc/x", "/dev/shm/../../usr/x"):
        assert run(f"open({path!r}, 'w')").is_error, path
    assert not Path("/tmp/mine").exists()


@pytest.mark.parametrize("network", [False, True])
def test_sandbox_has_a_network_only_if_allowed(sandbox, network):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        body = (
            f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 5)\nreturn 'connected'"
        )

        result = run(body, network=network)

    assert result.is_error is not network
    assert ("connected" in result.text) is network


def test_sandbox_has_no_privileges(sandbox):
    body = "import os\nreturn [os.getuid(), open('/proc/self/status').read()]"

    text = run(body).text

    assert text.startswith("[65534")
    assert "CapEff:\\t0000000000000000" in text


def test_tools_do_not_run_by_default(alice, configure):
    configure(TOOL_RUNNER="off")
    tool = make_tool(alice, "mine")

    result = asyncio.run(run_by_hand(tool, {}, by=actor()))

    assert result.text == "Error: this server does not run tools with source, such as mine"
