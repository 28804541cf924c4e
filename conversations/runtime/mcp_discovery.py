"""Finding the tools of an MCP server and storing them."""

from ..domain.actor import Actor
from ..domain.tools.mcp_servers import ToolChanges, endpoint_of, store_tools
from ..models import Agent, McpServer
from .database import in_database
from .mcp_client import list_tools


async def refresh_tools(server: McpServer, agent: Agent | None = None, *, by: Actor) -> ToolChanges:
    """Store the tools that a server lists, and return what changed.

    Args:
        server: Whose tools.
        agent: Whose secrets fill the headers.
        by: Who changes the tools.
    """
    endpoint = await in_database(endpoint_of, server, agent)
    found = await list_tools(endpoint)
    return await in_database(store_tools, server, found, by=by)
