"""Connections that don't wait without end for a server that stands still."""

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import _WaitTimeout

T = TypeVar("T")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that closes itself if the server sends nothing for too long.

    The server keeps the timeouts of statements and locks, and its kernel answers for TCP: neither
    helps when its processes are frozen.

    Attributes:
        response_timeout: In seconds; None waits without end.
    """

    response_timeout: float | None = None

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        if timeout is not None or self.response_timeout is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.response_timeout)
        except _WaitTimeout:
            self.pgconn.finish()
            message = f"the server has not answered for {self.response_timeout:g} s"
            raise psycopg.OperationalError(message) from None


def connection_class(response_timeout: float | None) -> type[BoundedConnection]:
    """Return the class of connections with this timeout."""
    return type("Connection", (BoundedConnection,), {"response_timeout": response_timeout})
