"""Errors as the wire has them: a status and `{"detail": "<text>"}`."""

import logging
from typing import Any

from django.conf import settings
from django.core.exceptions import TooManyFieldsSent
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler as drf_exception_handler
from rest_framework.views import set_rollback

from ...domain import errors

logger = logging.getLogger(__name__)


class InvalidRequest(exceptions.APIException):
    """The request itself is wrong, whatever is stored."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY


class BodyTooLarge(exceptions.APIException):
    """The body is longer than the server accepts."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE


# The first class that fits decides.
STATUSES = {
    errors.InvalidArgument: status.HTTP_400_BAD_REQUEST,
    errors.InvalidValue: status.HTTP_422_UNPROCESSABLE_ENTITY,
    errors.NotFound: status.HTTP_404_NOT_FOUND,
    errors.Conflict: status.HTTP_409_CONFLICT,
    errors.StaleVersion: status.HTTP_412_PRECONDITION_FAILED,
}


def exception_handler(error, context):
    """Every error of a view becomes one JSON object with a text under `detail`."""
    if isinstance(error, errors.DomainError):
        return _domain_response(error)
    if isinstance(error, exceptions.ValidationError):
        error = InvalidRequest(flatten(error.detail))
    elif isinstance(error, ModelValidationError):
        error = InvalidRequest("; ".join(error.messages))
    elif isinstance(error, TooManyFieldsSent):
        most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        error = InvalidRequest(f"query: expected at most {most} parameters")
    elif isinstance(error, Http404):
        error = exceptions.NotFound("Not Found")
    elif isinstance(error, exceptions.MethodNotAllowed):
        error.detail = "Method Not Allowed"
    elif isinstance(error, OperationalError):
        # A lost connection, a deadlock or a full disk: nothing was written, trying again may help.
        logger.exception("The database failed")
        error = exceptions.APIException("The database is not available; try again")
        error.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    response = drf_exception_handler(error, context)
    if response is None:
        logger.exception("A view failed", exc_info=error)
        set_rollback()
        return Response({"detail": "An unknown error occurred"}, status=500)
    return response


def _domain_response(error: errors.DomainError) -> Response:
    code = next(code for kind, code in STATUSES.items() if isinstance(error, kind))
    # The prefix is V1's; programs look for it.
    prefix = "INVALID_ARGUMENT: " if code == status.HTTP_400_BAD_REQUEST else ""
    set_rollback()
    return Response({"detail": f"{prefix}{error}", **error.details}, status=code)


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
