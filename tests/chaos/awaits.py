"""Kill a worker at one of the awaits of a turn.

The modules that execute turns are compiled with a call around each `await`, `async for` and
`async with`, so the product has no hook for this. A point is (module, line, before or after).

Run as `python -m tests.chaos.awaits`, it forks a worker for each line of its input, `FILE
MODULE:LINE SIDE HIT`: the worker kills itself with SIGKILL when it reaches that await for the
HIT-th time. Without a point, it writes those that it has reached to the file, with their hits.
"""

import ast
import asyncio
import importlib.machinery
import importlib.util
import os
import signal
import sys
import threading
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).resolve().parent.parent.parent
RUNTIME = ROOT / "conversations" / "runtime"
# Not those of the worker and of what runs without a turn.
FILES = [
    *(RUNTIME / f"{name}.py" for name in ("turn_loop", "event_writer", "broker", "database")),
    *(RUNTIME / f"{name}.py" for name in ("fair_slots", "embeddings", "replies")),
    *sorted((RUNTIME / "tool_runners").glob("[!_]*.py")),
    ROOT / "conversations" / "llm" / "client.py",
    ROOT / "conversations" / "llm" / "embeddings.py",
]
HOOK = "_at_await"


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


class Instrument(ast.NodeTransformer):
    """Calls the hook before and after each await, and in the bodies of async statements."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.points: list[str] = []

    def _hook(self, node: ast.AST, side: str) -> ast.Call:
        point = f"{self.module}:{node.lineno} {side}"
        self.points.append(point)
        return ast.Call(ast.Name(HOOK, ast.Load()), [ast.Constant(point)], [])

    def visit_Await(self, node: ast.Await) -> ast.AST:
        self.generic_visit(node)
        # `(hook(), await value, hook())[1]` runs in this order.
        before, after = self._hook(node, "before"), self._hook(node, "after")
        parts = ast.Tuple([before, node, after], ast.Load())
        return ast.copy_location(ast.Subscript(parts, ast.Constant(1), ast.Load()), node)

    def _body(self, node: ast.AsyncFor | ast.AsyncWith) -> ast.AST:
        self.generic_visit(node)
        node.body.insert(0, ast.Expr(self._hook(node, "inside")))
        return node

    visit_AsyncFor = visit_AsyncWith = _body


def instrumented(source: bytes | str, module: str, path: str) -> tuple[CodeType, list[str]]:
    """Return the code of a module with the hook, and its points."""
    transformer = Instrument(module)
    tree = ast.fix_missing_locations(transformer.visit(ast.parse(source)))
    return compile(tree, path, "exec"), transformer.points


def points_of_turn() -> list[str]:
    """Return every point of the modules that execute turns."""
    return [
        point
        for file in FILES
        for point in instrumented(file.read_text(), module_of(file), str(file))[1]
    ]


class Loader(importlib.machinery.SourceFileLoader):
    """Loads a module with the hook, past the cache of compiled files."""

    def get_code(self, fullname: str) -> CodeType:
        return instrumented(self.get_data(self.path), fullname, self.path)[0]

    def exec_module(self, module) -> None:
        module.__dict__[HOOK] = at_await
        super().exec_module(module)


class Finder:
    """Finds the modules that execute turns."""

    files = {module_of(file): str(file) for file in FILES}

    def find_spec(self, name: str, path=None, target=None):
        if name not in self.files:
            return None
        file = self.files[name]
        return importlib.util.spec_from_file_location(name, file, loader=Loader(name, file))


hits: Counter[str] = Counter()
# The point and the number of its hit at which this process dies.
armed: list[tuple[str, int]] = []


def at_await(point: str) -> None:
    """Count a hit of a task of a turn; kill the process at the armed one."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return  # This thread has no event loop.
    # The maintenance of the worker goes on without a turn.
    if task is None or task.get_coro().__qualname__.startswith("Worker."):
        return
    hits[point] += 1
    if armed == [(point, hits[point])]:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Fork a worker for each line of the input; print its process id, and how it ended."""
    sys.meta_path.insert(0, Finder())
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    import django  # noqa: PLC0415 (the finder comes first)

    django.setup()
    import_module("conversations.management.commands.run_worker")
    assert threading.active_count() == 1, "a process with threads cannot be forked"
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            work(line.split())
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else "survived", flush=True)


def work(words: list[str]) -> None:
    """Run a worker in this process until SIGTERM or the armed point; write the hits of points."""
    from django.core.management import call_command  # noqa: PLC0415

    output, *point = words
    if point:
        armed.append((" ".join(point[:-1]), int(point[-1])))
    with open(os.devnull, "w") as null:
        call_command("run_worker", max_turns=1, stdout=null, stderr=null)
    Path(output).write_text("\n".join(f"{count} {each}" for each, count in hits.items()))
    os._exit(0)


if __name__ == "__main__":
    main()
