"""Which runner runs a tool."""

from ...models import Tool
from .mcp_runner import McpRunner
from .python_runner import PythonRunner
from .runner import ToolRunner
from .searches import ARCHIVAL_SEARCH, FILE_SEARCH


class ToolRunners:
    """The tool runners of one process."""

    def __init__(self) -> None:
        self._by_type: dict[str, ToolRunner] = {
            Tool.CUSTOM: PythonRunner(),
            Tool.MCP: McpRunner(),
        }
        self._by_name: dict[str, ToolRunner] = {
            "archival_memory_search": ARCHIVAL_SEARCH,
            "semantic_search_files": FILE_SEARCH,
        }

    def of(self, tool: Tool) -> ToolRunner | None:
        """Return a tool's runner; None if the step's transaction runs it, or refuses it."""
        if tool.is_built_in:
            return self._by_name.get(tool.name)
        return self._by_type.get(tool.tool_type)
