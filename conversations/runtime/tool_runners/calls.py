"""Running the calls of one step that leave the database."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...conf import conf
from ...domain.errors import InvalidArgument
from ...domain.tools.execution import ToolResult, call_arguments, limited, tool_span
from ...models import Tool
from .runner import CallContext, ToolRunner
from .runners import ToolRunners

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExternalCall:
    """A call that the model wants, with its tool and the tool's runner."""

    call: dict[str, Any]
    tool: Tool
    runner: ToolRunner


def external_calls(
    calls: list[dict[str, Any]], *, tools: Mapping[str, Tool], runners: ToolRunners
) -> list[ExternalCall]:
    """Return the calls that leave the database, among the first MAX_TOOL_CALLS."""
    found = []
    for call in calls[: conf.MAX_TOOL_CALLS]:
        tool = tools.get(call["function"]["name"])
        if tool is not None and (runner := runners.of(tool)):
            found.append(ExternalCall(call, tool, runner))
    return found


async def run_calls(calls: list[ExternalCall], context: CallContext) -> dict[str, ToolResult]:
    """Run calls in order, and neighbors whose tools allow it at the same time.

    Returns the results by the ids of the calls.
    """
    results: dict[str, ToolResult] = {}
    waiting = list(calls)
    while waiting:
        batch = [waiting.pop(0)]
        while batch[0].tool.enable_parallel_execution and (
            waiting and waiting[0].tool.enable_parallel_execution
        ):
            batch.append(waiting.pop(0))
        done = await asyncio.gather(*(run_call(each, context) for each in batch))
        results |= {each.call["id"]: result for each, result in zip(batch, done, strict=True)}
    return results


async def run_call(external: ExternalCall, context: CallContext) -> ToolResult:
    """Run one call within TOOL_TIMEOUT; a failure becomes its result."""
    tool = external.tool
    try:
        arguments = call_arguments(external.call)
        with tool_span(tool, external.call):
            async with asyncio.timeout(conf.TOOL_TIMEOUT):
                result = await external.runner.run(tool, arguments, context)
    except InvalidArgument as error:
        result = ToolResult(f"Error: {error}", is_error=True)
    except TimeoutError:
        text = f"Error: {tool.name} took longer than {conf.TOOL_TIMEOUT:g} s"
        result = ToolResult(text, is_error=True)
    except Exception:
        logger.exception("The tool %s failed", tool.pk)
        result = ToolResult(f"Error: {tool.name} failed; the server's log says why", is_error=True)
    return limited(result, tool)
