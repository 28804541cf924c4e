"""The points at which `make chaos` kills workers."""

import ast
import asyncio

from .awaits import FILES, instrumented, module_of, points_of_turn


def test_every_await_of_turn_is_a_point():
    points = set(points_of_turn())

    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Await):
                assert f"{module_of(file)}:{node.lineno} before" in points


def test_instrumented_code_calls_hook_around_await():
    source = "async def f(value):\n    return await value()\n"
    hits = []
    scope = {"_at_await": hits.append}
    exec(instrumented(source, "m", "m.py")[0], scope)

    async def value():
        hits.append("awaited")
        return 1

    assert asyncio.run(scope["f"](value)) == 1
    assert hits == ["m:2 before", "awaited", "m:2 after"]
