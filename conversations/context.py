"""What log lines and audit events know of the request and the turn that they belong to.

A server's handler, or `middleware.RequestContext` under other servers, begins a request's context;
authentication, lookups and the turn loop add to it. Threads and tasks that a request starts inherit
it.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from uuid import uuid4

# A request ID that a client or proxy chose is kept if it is short and cannot disturb a log line.
WELL_FORMED = re.compile(r"[A-Za-z0-9._:=+/@-]{1,128}")


@dataclass(frozen=True, slots=True)
class Context:
    """The ids of what is being worked on; "" where there is none.

    `address` is the client's address: the one of the connection, unless the server trusts a proxy
    (docs/deploying.md).
    """

    request_id: str = ""
    address: str = ""
    organization: str = ""
    conversation: str = ""
    run: str = ""


EMPTY = Context()
NAMES = [field.name for field in fields(Context)]
_context: ContextVar[Context] = ContextVar("conversations_context", default=EMPTY)


def current() -> Context:
    """Return the context of the calling thread or task."""
    return _context.get()


def begin(*, request_id: str, address: str) -> None:
    """Begin the context of a request, in a task of its own."""
    _context.set(Context(request_id, address))


def bind(**ids: str) -> None:
    """Add to the context until the request or task ends."""
    _context.set(replace(_context.get(), **ids))


@contextmanager
def bound(**ids: str) -> Iterator[None]:
    """Add to the context for the length of a block."""
    token = _context.set(replace(_context.get(), **ids))
    try:
        yield
    finally:
        _context.reset(token)


def request_id_of(header: str | None) -> str:
    """Return the value of the header X-Request-ID if it is well-formed, else a new id."""
    return header if header and WELL_FORMED.fullmatch(header) else uuid4().hex


class ContextFilter(logging.Filter):
    """Adds the context to log records: `%(request_id)s`, `%(organization)s` and so on."""

    def filter(self, record: logging.LogRecord) -> bool:
        context = _context.get()
        for name in NAMES:
            setattr(record, name, getattr(context, name))
        return True
