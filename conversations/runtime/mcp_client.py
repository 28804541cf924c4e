"""The client of MCP servers: each list and each call is a connection of its own."""

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any

import httpx2

from ..conf import conf
from ..domain.tools.execution import ToolResult
from ..domain.tools.mcp_servers import MAX_TOOLS, Endpoint, FoundTool, McpServerFailed
from ..outbound import GuardedTransport, OutboundError, outbound_client

if TYPE_CHECKING:
    from mcp.client.session import ClientSession
    from mcp.types import CallToolResult

# In bytes: what one connection may receive.
MAX_RESPONSE = 4 * 2**20
# Of listing tools, in seconds; TOOL_TIMEOUT is that of a call.
LIST_TIMEOUT = 30.0


async def list_tools(endpoint: Endpoint) -> list[FoundTool]:
    """Return the tools that a server lists. Raises McpServerFailed."""
    found: list[FoundTool] = []
    async with _connected(endpoint, timeout=LIST_TIMEOUT) as session:
        cursor: str | None = None
        while True:
            types = import_module("mcp.types")
            listed = await session.list_tools(
                params=types.PaginatedRequestParams(cursor=cursor) if cursor else None
            )
            found += [
                FoundTool(tool.name, tool.description or "", tool.input_schema)
                for tool in listed.tools
            ]
            cursor = listed.next_cursor
            if cursor is None:
                return found
            if len(found) > MAX_TOOLS or not listed.tools:
                raise McpServerFailed(f"The MCP server lists more than {MAX_TOOLS} tools")


async def call_tool(endpoint: Endpoint, name: str, arguments: dict[str, Any]) -> ToolResult:
    """Call a tool and return its result as text. Raises McpServerFailed."""
    async with _connected(endpoint, timeout=conf.TOOL_TIMEOUT) as session:
        types = import_module("mcp.types")
        # Not `session.call_tool()`: it lists all tools, and checks the result by a schema of the
        # server, with regular expressions that could block the event loop.
        result = await session.send_request(
            types.CallToolRequest(
                params=types.CallToolRequestParams(name=name, arguments=arguments)
            ),
            types.CallToolResult,
        )
        return ToolResult(result_text(result), is_error=bool(result.is_error))


def result_text(result: "CallToolResult") -> str:
    """Return a result as the text that a model reads.

    Texts are joined by line breaks. Images and other data are named with their type and size.
    Structured content counts only without other content.
    """
    parts = [_part_text(part) for part in result.content]
    if parts:
        return "\n".join(parts)
    if result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "Empty response from tool"


def _part_text(part: Any) -> str:
    if part.type == "text":
        return str(part.text)
    if part.type in ("image", "audio"):
        return f"[{part.type}: {part.mime_type}, {_size(part.data)} bytes]"
    if part.type == "resource_link":
        return f"[resource: {part.uri}]"
    if hasattr(part.resource, "text"):
        return str(part.resource.text)
    return f"[resource: {part.resource.uri}, {_size(part.resource.blob)} bytes]"


def _size(data: str) -> int:
    try:
        return len(base64.b64decode(data))
    except (binascii.Error, ValueError):
        return len(data)


@asynccontextmanager
async def _connected(endpoint: Endpoint, *, timeout: float) -> AsyncIterator["ClientSession"]:
    """Connect to a server for the time of a block. Raises McpServerFailed for any failure."""
    # Slow to import; most processes never do.
    mcp = await asyncio.to_thread(import_module, "mcp")
    transport = GuardedTransport(MAX_RESPONSE)
    http = outbound_client(endpoint.headers, timeout=timeout, transport=transport)
    client = mcp.Client(_streams(endpoint, http, timeout), read_timeout_seconds=timeout, cache=None)
    try:
        # The transport of SSE opens the HTTP client itself.
        opened = nullcontext() if endpoint.kind == "sse" else http
        async with asyncio.timeout(timeout), opened, client:
            yield client.session
    except McpServerFailed:
        raise
    except TimeoutError:
        text = transport.problem or f"no response within {timeout:g} s"
        raise McpServerFailed(f"The MCP server failed: {text}") from None
    except Exception as error:
        text = transport.problem or _cause(error)
        raise McpServerFailed(f"The MCP server failed: {text}") from error


def _streams(endpoint: Endpoint, http: httpx2.AsyncClient, timeout: float) -> Any:
    if endpoint.kind == "sse":
        sse = import_module("mcp.client.sse")
        return sse.sse_client(
            endpoint.url,
            sse_read_timeout=timeout,
            httpx_client_factory=lambda **_: http,
        )
    streamable = import_module("mcp.client.streamable_http")
    return streamable.streamable_http_client(
        endpoint.url, http_client=http, max_sse_event_size=MAX_RESPONSE
    )


def _cause(error: BaseException) -> str:
    """Return the text of the first error in a group of them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, httpx2.HTTPStatusError):
        return f"it responds with the status {error.response.status_code}"
    if isinstance(error, OutboundError):
        return str(error)
    return str(error) or type(error).__name__
