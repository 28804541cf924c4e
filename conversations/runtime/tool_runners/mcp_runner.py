"""The runner of tools of MCP servers."""

from typing import Any

from ...domain.errors import DomainError
from ...domain.tools.execution import ToolResult
from ...domain.tools.mcp_servers import Endpoint, endpoint_of
from ...encryption import SecretUnreadable
from ...models import McpServer, Tool
from ..database import in_database_when_available
from ..mcp_client import call_tool
from .runner import CallContext


class McpRunner:
    """Calls tools on their MCP servers."""

    async def run(self, tool: Tool, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        """Run one call."""
        if tool.mcp_server_id is None or tool.mcp_name is None:
            text = f"Error: {tool.name} belongs to no MCP server here"
            return ToolResult(text, is_error=True)
        try:
            endpoint = await in_database_when_available(_endpoint, tool, context)
            return await call_tool(endpoint, tool.mcp_name, arguments)
        except (DomainError, SecretUnreadable) as error:
            return ToolResult(f"Error: {error}", is_error=True)


def _endpoint(tool: Tool, context: CallContext) -> Endpoint:
    """Return the endpoint of a tool's server."""
    rows = McpServer.objects.in_organization(tool.organization_id)
    server = rows.prefetch_related("headers").get(pk=tool.mcp_server_id)
    agent = context.conversation.agent if context.conversation else None
    return endpoint_of(server, agent, context.variables)
