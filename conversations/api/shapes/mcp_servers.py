"""JSON of MCP servers."""

from typing import Literal

from typing_extensions import TypedDict

from ...domain.tools.mcp_servers import ToolChanges
from ...domain.tools.variables import MASK
from ...models import McpServer


class McpServerJSON(TypedDict):
    """An MCP server as the client's `StreamableHTTPMcpServer` and `SseMcpServer` read it.

    The token and the values of headers are never shown.
    """

    id: str
    server_name: str
    mcp_server_type: str
    server_url: str
    auth_header: str | None
    auth_token: Literal["********"] | None
    custom_headers: dict[str, str] | None


class ToolChangesJSON(TypedDict):
    """The names of the tools that a refresh has changed."""

    added: list[str]
    updated: list[str]
    deleted: list[str]


def mcp_server_json(server: McpServer) -> McpServerJSON:
    """Return the JSON of a server; its headers are prefetched."""
    return {
        "id": server.pk,
        "server_name": server.name,
        "mcp_server_type": server.kind,
        "server_url": server.url,
        "auth_header": server.auth_header,
        "auth_token": None if server.token is None else MASK,
        "custom_headers": {header.name: MASK for header in server.headers.all()} or None,
    }


def tool_changes_json(changes: ToolChanges) -> ToolChangesJSON:
    """Return the JSON of a refresh."""
    return {"added": changes.added, "updated": changes.updated, "deleted": changes.deleted}
