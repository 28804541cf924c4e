"""How log records are written: one line each, and a traceback only for a bug."""

import json
import logging
from asyncio import CancelledError
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import PermissionDenied, RequestAborted, SuspiciousOperation
from django.db import InterfaceError, OperationalError

from conversations.context import NAMES
from conversations.llm.errors import ModelError
from conversations.text import first_line

# What fails without a mistake in the code: the caller, the database or the provider.
EXPECTED = (
    CancelledError,
    InterfaceError,
    ModelError,
    OperationalError,
    PermissionDenied,
    RequestAborted,
    SuspiciousOperation,
)
# The fields of a request's line, which JSON has as well.
FIELDS = ("method", "path", "status", "duration_ms")


class ExpectedFailures(logging.Filter):
    """Turns the traceback of an expected failure into the end of its line."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, EXPECTED):
            message, cause = record.getMessage(), first_line(error) or type(error).__name__
            record.msg = message if cause in message else f"{message}: {cause}"
            record.args = record.exc_info = record.exc_text = None
        return True


def ids_of(record: logging.LogRecord) -> dict[str, str]:
    """Return the ids that `ContextFilter` has put on a record, without the empty ones."""
    return {name: found for name in NAMES if (found := getattr(record, name, ""))}


class PlainFormatter(logging.Formatter):
    """One line: time, level, logger, message and ids; tracebacks follow."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        # A line break in a message would look like another record.
        message = record.message.replace("\r", "\\r").replace("\n", "\\n")
        ids = "".join(f" {name}={found}" for name, found in ids_of(record).items())
        return f"{record.asctime} {record.levelname} {record.name}: {message}{ids}"

    def usesTime(self) -> bool:
        return True


class JSONFormatter(logging.Formatter):
    """One JSON object per record, with the ids of its request and turn."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **ids_of(record),
            **{name: getattr(record, name) for name in FIELDS if hasattr(record, name)},
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)
