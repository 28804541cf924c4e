"""A real MCP server in a process of its own: `python -m tests.mcp_server`.

It serves streamable HTTP at /mcp and SSE at /sse, redirects to a metadata service at /redirect,
never responds at /hang, and sends a compressed body at /compressed. It prints its port.
"""

import asyncio
import gzip
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class McpProcess:
    """A running server; `url` is its origin."""

    def __init__(self, process: subprocess.Popen, port: int):
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@contextmanager
def mcp_process() -> Iterator[McpProcess]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.mcp_server"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    running = McpProcess(process, int(process.stdout.readline()))
    try:
        yield running
    finally:
        running.stop()


def application():
    from mcp.server.mcpserver import Context, Image, MCPServer  # noqa: PLC0415 (slow to import)
    from mcp.server.mcpserver.exceptions import ToolError  # noqa: PLC0415
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.responses import RedirectResponse, Response  # noqa: PLC0415
    from starlette.routing import Mount, Route  # noqa: PLC0415

    server = MCPServer("harbor")

    @server.tool()
    def tide(place: str, hours: int = 1) -> str:
        """Return the tide of a place."""
        return f"{place} in {hours} h: high"

    @server.tool(name="weather/now")
    def weather() -> dict[str, int]:
        """Return the weather."""
        return {"wind": 7}

    @server.tool()
    def picture() -> list:
        """Return a text and an image."""
        return ["a boat", Image(data=b"12345", format="png")]

    @server.tool()
    def header(header: str, context: Context) -> str:
        """Return a header of the request."""
        return context.request_context.request.headers.get(header, "(none)")

    @server.tool()
    async def slow(seconds: float) -> str:
        """Wait."""
        await asyncio.sleep(seconds)
        return "waited"

    @server.tool()
    def huge() -> str:
        """Return five megabytes."""
        return "x" * 5 * 2**20

    @server.tool()
    def fail() -> str:
        """Fail."""
        raise ToolError("the harbor is frozen")

    @server.tool()
    def die() -> str:
        """End the process."""
        os._exit(1)

    @server.tool()
    def replace(removed: str, added: str) -> str:
        """Replace a tool by another one."""
        server.remove_tool(removed)
        server.add_tool(weather, name=added)
        return "replaced"

    async def redirect(request):
        return RedirectResponse("http://169.254.169.254/latest/meta-data/", 307)

    async def hang(request):
        await asyncio.sleep(60)

    async def compressed(request):
        return Response(gzip.compress(b"0" * 10**8), headers={"Content-Encoding": "gzip"})

    every = ["GET", "POST"]
    streamable = server.streamable_http_app()

    @asynccontextmanager
    async def lifespan(app):
        async with server.session_manager.run():
            yield

    routes = [
        Route("/redirect", redirect, methods=every),
        Route("/hang", hang, methods=every),
        Route("/compressed", compressed, methods=every),
        *streamable.routes,
        Mount("/", server.sse_app()),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    import uvicorn  # noqa: PLC0415

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application(), log_level="error")
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
