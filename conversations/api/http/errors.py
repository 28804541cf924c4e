"""Errors on the wire: a status and `{"detail": "<text>"}`, in V1's words where V1 has them."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import TooManyFieldsSent
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler as drf_exception_handler
from rest_framework.views import set_rollback

from ...domain import errors
from ...domain.errors import quoted
from ...domain.folders.files import UnsupportedFile
from ...domain.idempotency import KeyInProgress
from ...domain.memory.drift import MergeConflict, SharedMoved
from ...domain.runs.input import AwaitsClient, NothingAwaited, WrongAnswers
from ...domain.runs.leases import Busy, QueueFull
from ...domain.tools.catalog import ToolsNotFound
from ...domain.tools.mcp_servers import McpServerFailed
from ...domain.tools.source import NoSchema
from ...models import (
    Agent,
    ApiKey,
    Archive,
    Block,
    Conversation,
    File,
    Folder,
    Identity,
    McpServer,
    Member,
    Message,
    Passage,
    Quota,
    Run,
    Step,
    Tool,
)
from ...text import first_line

logger = logging.getLogger(__name__)

# Seconds that a client waits before it repeats a request that the server could not serve yet.
RETRY_AFTER = 2
UNAVAILABLE = "The database is not available; try again"
STORAGE_RETRY_AFTER = 60


class InvalidRequest(exceptions.APIException):
    """The request itself is wrong, whatever is stored."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY


class BodyTooLarge(exceptions.APIException):
    """The body is longer than the server accepts."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE


class NotServed(exceptions.APIException):
    """V1 has the route, and this server does not."""

    status_code = status.HTTP_501_NOT_IMPLEMENTED


class Unchangeable(exceptions.APIException):
    """The route exists to say that its method never works."""

    status_code = status.HTTP_405_METHOD_NOT_ALLOWED


class Rendering(NamedTuple):
    """How a class of domain errors appears on the wire."""

    status: int
    text: Callable[[Any], str] = str
    details: Callable[[Any], dict[str, Any]] = lambda error: {}
    retry_after: int | None = None
    headers: Callable[[Any], dict[str, str]] = lambda error: {}


UNKNOWN_ID = {
    Agent: "Agent with ID {} not found",
    ApiKey: "API key with id '{}' not found",
    Archive: "Archive not found with id='{}'",
    Block: "Block with id '{}' not found",
    Conversation: "Conversation not found with id='{}'",
    File: "File with id={} not found.",
    Folder: "Folder with id={} not found.",
    McpServer: "MCP server not found with id='{}'",
    Identity: "Identity not found with id='{}'",
    Member: "Member with id '{}' not found",
    Message: "Message with id {} not found.",
    Passage: "Passage with id {} not found in database.",
    Run: "Run not found with id='{}'",
    Step: "Step not found with id='{}'",
    Tool: "Tool not found with id='{}'",
}
# Programs match these beginnings; V1 writes them before the texts of its own errors.
INVALID_ARGUMENT = "INVALID_ARGUMENT: "
CANNOT_SEND = "CONFLICT: Cannot send a new message: "
NOTHING_TO_COMPACT = "Summarization failed to reduce the number of messages. "

# An error is rendered by its own class, else by the nearest base class.
RENDERINGS: dict[type[errors.DomainError], Rendering] = {
    errors.InvalidArgument: Rendering(400, lambda error: f"{INVALID_ARGUMENT}{error}"),
    errors.ModelRequired: Rendering(
        400, lambda _: f"{INVALID_ARGUMENT}Must specify either model or llm_config in request"
    ),
    errors.InvalidModelHandle: Rendering(
        400,
        lambda error: (
            f"{INVALID_ARGUMENT}The model handle should be in the format "
            f"provider/model-name, got {error.handle!r}"
        ),
    ),
    errors.UnknownLabels: Rendering(
        400,
        lambda error: (
            f"{INVALID_ARGUMENT}Block with label {quoted(error.labels)} not found on agent "
            f"'{error.agent_id}'; its labels are {quoted(error.known)}"
        ),
    ),
    errors.NotAllowed: Rendering(403),
    NoSchema: Rendering(
        400, lambda error: f"Failed to derive json schema: Schema generation failed: {error}"
    ),
    ToolsNotFound: Rendering(
        400, lambda error: f"Tools not found by name: {{{', '.join(map(repr, error.names))}}}"
    ),
    UnsupportedFile: Rendering(415),
    McpServerFailed: Rendering(502),
    errors.NotFound: Rendering(404),
    errors.UnknownId: Rendering(404, lambda error: UNKNOWN_ID[error.model].format(error.id)),
    errors.UnknownModelHandle: Rendering(
        404,
        lambda error: (
            f"NOT_FOUND: Handle {error.handle} not found, must be one of [{', '.join(error.known)}]"
        ),
    ),
    errors.BlockNotAttached: Rendering(
        404, lambda error: f"No block with id '{error.block_id}' found for agent '{error.agent_id}'"
    ),
    errors.Conflict: Rendering(409),
    errors.NoActiveRuns: Rendering(
        409,
        lambda error: (
            f"CONFLICT: No active runs to cancel for {error.row._meta.model_name} {error.row.pk}"
        ),
    ),
    Busy: Rendering(
        409,
        lambda error: (
            f"{CANNOT_SEND}Another request (run_id={error.run_id}) is currently being processed "
            "for this conversation. Please wait for it to complete."
        ),
        lambda error: {"run_id": error.run_id},
    ),
    AwaitsClient: Rendering(
        409,
        details=lambda error: {
            "detail": {
                "code": "PENDING_APPROVAL",
                "message": (
                    f"{CANNOT_SEND}The agent is waiting for approval on a tool call. Please "
                    "approve or deny the pending request before continuing."
                ),
                "pending_request_id": error.message_id,
            },
            "tool_call_ids": error.tool_call_ids,
        },
    ),
    NothingAwaited: Rendering(
        400,
        lambda _: (
            "Cannot process approval response: No tool call is currently awaiting approval. Please "
            "send a regular message to interact with the agent."
        ),
    ),
    WrongAnswers: Rendering(
        400,
        lambda error: (
            f"Invalid tool call IDs. Expected '{error.expected}', but received '{error.answered}'."
        ),
    ),
    SharedMoved: Rendering(
        409,
        details=lambda error: {
            "drift": error.comparison.effective.drift,
            "shared": {
                "block_id": error.shared.pk,
                "value": error.shared.value,
                "version": error.shared.version,
            },
        },
    ),
    MergeConflict: Rendering(
        409,
        lambda error: f"{error}, and send it as `resolution`",
        lambda error: {
            "conflicts": [asdict(hunk) for hunk in error.conflicts],
            "merged": error.merged,
        },
    ),
    errors.StaleVersion: Rendering(
        412,
        details=lambda error: {
            "version": error.version,
            "value": error.value,
            "diff": error.diff,
        },
    ),
    errors.EventsRemoved: Rendering(410),
    errors.InvalidValue: Rendering(422),
    KeyInProgress: Rendering(409, retry_after=RETRY_AFTER),
    QueueFull: Rendering(429, retry_after=RETRY_AFTER),
    errors.QuotaExceeded: Rendering(
        429,
        details=lambda error: {"quota": error.quota, "limit": error.limit, "used": error.used},
        headers=lambda error: _quota_headers(error.quota),
    ),
}


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Turn any error of a view into a response with a JSON object that has a text as `detail`."""
    if isinstance(error, errors.DomainError):
        return _domain_response(error)
    if isinstance(error, exceptions.ValidationError):
        error = InvalidRequest(flatten(error.detail))
    elif isinstance(error, ModelValidationError):
        error = InvalidRequest("; ".join(error.messages))
    elif isinstance(error, TooManyFieldsSent):
        maximum = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        error = InvalidRequest(f"query: expected at most {maximum} parameters")
    elif isinstance(error, Http404):
        error = exceptions.NotFound("Not Found")
    elif isinstance(error, exceptions.MethodNotAllowed):
        error.detail = exceptions.ErrorDetail("Method Not Allowed")
    elif isinstance(error, OperationalError | InterfaceError):
        return _unavailable(error, context)
    response = drf_exception_handler(error, context)
    if response is None:
        logger.error("A view failed", exc_info=error)
        set_rollback()
        return Response({"detail": "An unknown error occurred"}, status=500)
    return response


def _unavailable(error: Exception, context: dict[str, Any]) -> Response:
    # A timeout, a lost connection, a full disk: nothing was written, and a retry may succeed.
    request: Request = context["request"]
    logger.error("%s %s: the database failed: %s", request.method, request.path, first_line(error))
    set_rollback()
    response = Response(
        {"detail": UNAVAILABLE},
        status=status.HTTP_503_SERVICE_UNAVAILABLE,
        headers={"Retry-After": str(RETRY_AFTER)},
    )
    response._has_been_logged = True  # type: ignore[attr-defined]  # or Django logs it once more
    return response


def _domain_response(error: errors.DomainError) -> Response:
    kind = next(kind for kind in type(error).__mro__ if kind in RENDERINGS)
    rendering = RENDERINGS[kind]
    set_rollback()
    data = {"detail": rendering.text(error), **rendering.details(error)}
    headers = rendering.headers(error)
    if rendering.retry_after:
        headers["Retry-After"] = str(rendering.retry_after)
    return Response(data, status=rendering.status, headers=headers)


def _quota_headers(quota: Quota) -> dict[str, str]:
    if quota == Quota.CONCURRENT_TURNS:
        return {"Retry-After": str(RETRY_AFTER)}
    # Waiting frees no storage: the clients that Stainless generates, such as V1's, give up.
    return {"Retry-After": str(STORAGE_RETRY_AFTER), "X-Should-Retry": "false"}


def flatten(detail: Any, path: str = "") -> str:
    """Return DRF's tree of errors as one line: `labels.0: expected a string, got 1`."""
    if isinstance(detail, dict):
        return "; ".join(flatten(value, _join(path, name)) for name, value in detail.items())
    if isinstance(detail, list):
        return "; ".join(flatten(value, path) for value in detail if value)
    return f"{path}: {detail}" if path else str(detail)


def _join(path: str, name: str) -> str:
    if name == api_settings.NON_FIELD_ERRORS_KEY:
        return path
    return f"{path}.{name}" if path else name
