"""Serve the demo on 127.0.0.1: `make run`, or `python -m project.serve`.

Binds the port, migrates the database, fills the demo organization, prints a first user and API
key, and serves. When nothing has changed, this takes one start of Django. In production, use
`python -m project.server` (docs/deploying.md).
"""

import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOST = "127.0.0.1"
LOCK = Path(__file__).resolve().parent.parent / ".serve.lock"


def main() -> None:
    """Prepare the database and serve until interrupted."""
    listener = bind(os.environ.get("PORT", "8283"))
    os.environ["PORT"] = str(listener.getsockname()[1])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    with one_at_a_time():
        prepare()
    from project.server import serve  # noqa: PLC0415 (uses the settings)

    print(f"Serving   http://{HOST}:{os.environ['PORT']} (Ctrl-C stops)", flush=True)
    serve(listener=listener)


def bind(port: str) -> socket.socket:
    """Return a socket that holds the port, or exit with a sentence that says why not."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, int(port)))
    except (ValueError, OverflowError):
        sys.exit(f"PORT: expected a number from 0 to 65535, got {port!r}.")
    except OSError as error:
        sys.exit(f"Port {port} is not free ({error.strerror}). Choose another: PORT=8290 make run")
    listener.listen(128)
    return listener


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait until no other process of this checkout is preparing the database."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prepare() -> None:
    """Migrate, fill the demo organization, and print a first user and key."""
    import django  # noqa: PLC0415 (the port is checked first)
    from django.conf import settings  # noqa: PLC0415
    from django.core.management import call_command  # noqa: PLC0415

    django.setup()
    settings.STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns when it is missing.
    print("Preparing the database …", flush=True)
    call_command("migrate", verbosity=0)
    call_command("seed_demo")
    call_command("first_run")


if __name__ == "__main__":
    main()
