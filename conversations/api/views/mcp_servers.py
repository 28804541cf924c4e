"""MCP servers and their tools."""

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.errors import DomainError
from ...domain.tools.mcp_servers import (
    ToolChanges,
    create_mcp_server,
    delete_mcp_server,
    update_mcp_server,
)
from ...encryption import SecretUnreadable
from ...models import Agent, McpServer, Scope
from ...runtime.mcp_discovery import refresh_tools
from ...runtime.tool_runners.by_hand import run_by_hand
from ..auth import actor_of, key_of
from ..http.validation import read_body, read_query
from ..http.warnings import warn
from ..schema import operation
from ..serializers.mcp_servers import CreateMcpServerBody, RefreshQuery, UpdateMcpServerBody
from ..serializers.tools import RunToolBody
from ..shapes.mcp_servers import (
    McpServerJSON,
    ToolChangesJSON,
    mcp_server_json,
    tool_changes_json,
)
from ..shapes.tools import ToolJSON, ToolResultJSON, tool_json, tool_result_json
from ..waiting import wait_for
from .base import ApiView
from .finders import agents_of, find, mcp_servers_of, tools_of


def refresh(request: Request, server: McpServer, agent: Agent | None = None) -> ToolChanges:
    """Store the tools that a server lists; warn of those that can't be stored."""
    changes = wait_for(request, refresh_tools(server, agent, by=actor_of(request)))
    for problem in changes.problems:
        warn(request, f"tool left out: {problem}")
    return changes


class McpServerList(ApiView):
    @operation("mcp_servers_list", scope=Scope.READ, response=list[McpServerJSON])
    def get(self, request: Request) -> HttpResponse:
        """List MCP servers."""
        return Response([mcp_server_json(server) for server in mcp_servers_of(request)])

    # Not in a transaction: the server is asked for its tools.
    @operation(
        "mcp_servers_create",
        scope=Scope.WRITE,
        idempotency="none",
        body=CreateMcpServerBody,
        response=McpServerJSON,
    )
    def post(self, request: Request) -> HttpResponse:
        """Create an MCP server and store its tools.

        If it does not list them now, the response has a warning, and a refresh can follow.
        """
        fields = read_body(request, CreateMcpServerBody)
        organization = key_of(request).organization
        server = create_mcp_server(organization, by=actor_of(request), **fields)
        try:
            refresh(request, server)
        except (DomainError, SecretUnreadable) as error:
            warn(request, f"no tools yet: {error}")
        return Response(mcp_server_json(server))


class McpServerDetail(ApiView):
    @operation("mcp_servers_retrieve", scope=Scope.READ, response=McpServerJSON)
    def get(self, request: Request, mcp_server_id: str) -> HttpResponse:
        """Retrieve an MCP server."""
        return Response(mcp_server_json(find(mcp_servers_of(request), mcp_server_id)))

    @operation(
        "mcp_servers_update", scope=Scope.WRITE, body=UpdateMcpServerBody, response=McpServerJSON
    )
    def patch(self, request: Request, mcp_server_id: str) -> HttpResponse:
        """Update an MCP server; a refresh updates its tools.

        `********` keeps a stored value. A new URL needs the token and all headers again.
        """
        server = find(mcp_servers_of(request), mcp_server_id)
        changes = read_body(request, UpdateMcpServerBody)
        return Response(mcp_server_json(update_mcp_server(server, by=actor_of(request), **changes)))

    @operation("mcp_servers_delete", scope=Scope.WRITE)
    def delete(self, request: Request, mcp_server_id: str) -> HttpResponse:
        """Delete an MCP server with its tools, also from the agents that have them."""
        delete_mcp_server(find(mcp_servers_of(request), mcp_server_id), by=actor_of(request))
        return Response(None)


class RefreshMcpServer(ApiView):
    @operation("mcp_servers_refresh", RefreshQuery, scope=Scope.WRITE, response=ToolChangesJSON)
    def patch(self, request: Request, mcp_server_id: str) -> HttpResponse:
        """Store the tools that an MCP server lists now; delete those that it no longer has."""
        query = read_query(request, RefreshQuery)
        server = find(mcp_servers_of(request), mcp_server_id)
        agent_id = query.get("agent_id")
        agent: Agent | None = find(agents_of(request), agent_id) if agent_id else None
        return Response(tool_changes_json(refresh(request, server, agent)))


class McpServerTools(ApiView):
    @operation("mcp_servers_tools_list", scope=Scope.READ, response=list[ToolJSON])
    def get(self, request: Request, mcp_server_id: str) -> HttpResponse:
        """List the tools of an MCP server, as they were at the last refresh."""
        server = find(mcp_servers_of(request), mcp_server_id)
        rows = tools_of(request).filter(mcp_server=server).order_by("name")
        return Response([tool_json(tool) for tool in rows])


class McpServerTool(ApiView):
    @operation("mcp_servers_tools_retrieve", scope=Scope.READ, response=ToolJSON)
    def get(self, request: Request, mcp_server_id: str, tool_id: str) -> HttpResponse:
        """Retrieve a tool of an MCP server."""
        server = find(mcp_servers_of(request), mcp_server_id)
        return Response(tool_json(find(tools_of(request).filter(mcp_server=server), tool_id)))


class RunMcpServerTool(ApiView):
    @operation(
        "mcp_servers_tools_run",
        scope=Scope.WRITE,
        idempotency="none",
        body=RunToolBody,
        response=ToolResultJSON,
    )
    def post(self, request: Request, mcp_server_id: str, tool_id: str) -> HttpResponse:
        """Call a tool of an MCP server once, without the secrets of an agent."""
        body = read_body(request, RunToolBody, required=False)
        server = find(mcp_servers_of(request), mcp_server_id)
        tool = find(tools_of(request).filter(mcp_server=server), tool_id)
        call = run_by_hand(tool, body["args"], by=actor_of(request))
        return Response(tool_result_json(wait_for(request, call)))
