"""Run the server: `python -m project.server --host 0.0.0.0 --port 8283`.

It is uvicorn with the limits that docs/deploying.md lists, one process.
"""

import argparse
import logging
import os
import resource
import socket
import sys

# Files of a process besides its connections: the database's, the log, shared libraries.
OTHER_FILES = 256


def main() -> None:
    """Parse the command line and serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m project.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to bind")
    parser.add_argument("--port", type=int, default=8283, help="port to bind; 0 takes a free one")
    parser.add_argument("--uds", metavar="PATH", help="Unix socket to bind instead")
    options = parser.parse_args()
    serve(host=options.host, port=options.port, uds=options.uds)


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8283,
    uds: str | None = None,
    listener: socket.socket | None = None,
) -> None:
    """Serve at an address, or on a socket that is bound already."""
    import uvicorn  # noqa: PLC0415 (it takes half a second)

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    from django.conf import settings  # noqa: PLC0415 (reads the variable above)

    logging.captureWarnings(True)  # Each is a line of the log, as JSON where that is chosen.
    _allow_files(settings.MAX_CONNECTIONS + OTHER_FILES)
    config = uvicorn.Config(
        "project.asgi:application",
        host=host,
        port=port,
        uds=uds,
        http="project.protocol:BoundedProtocol",
        ws="none",
        server_header=False,
        access_log=False,  # project.asgi logs requests.
        log_config=None,  # Django's
        timeout_keep_alive=settings.KEEP_ALIVE_TIMEOUT,
        timeout_graceful_shutdown=round(settings.CONVERSATIONS["SHUTDOWN_GRACE"]),
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listener] if listener else None)
    if not server.started:
        sys.exit(3)


def _allow_files(count: int) -> None:
    """Raise the limit of open files, which is often 1,024, as far as the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        limit = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


if __name__ == "__main__":
    main()
