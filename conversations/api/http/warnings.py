"""Warnings: what a request asked for and did not get.

They are in the header `Warning`, and in the field `warnings` if the response is a JSON object.
"""

import json
from collections.abc import Iterator
from typing import Any

from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

# Of one response; headers have a maximum length.
MAX_WARNINGS = 20
MAX_NAME_LENGTH = 60
UNKNOWN = "this server does not know it"


def warn(request: Request, text: str) -> None:
    """Add a warning to the response."""
    warnings = _warnings_of(request)
    if text not in warnings and len(warnings) < MAX_WARNINGS:
        warnings.append(text)


def warn_of_ignored(
    request: Request, field: serializers.Field[Any, Any, Any, Any], data: Any
) -> None:
    """Add a warning for each field of a body or query that is ignored and asks for something."""
    for path, reason in _ignored(field, data, ""):
        warn(request, f"{path} is ignored: {reason}")


def with_warnings(request: Request, response: HttpResponseBase) -> HttpResponseBase:
    """Add the request's warnings to its response, unless that is an error."""
    if response.status_code < 400 and (warnings := _warnings_of(request)):
        # 299 is the code for any text, which JSON quotes and escapes as the header needs it.
        response.headers["Warning"] = ", ".join(f"299 - {json.dumps(text)}" for text in warnings)
        if isinstance(response, Response) and isinstance(response.data, dict):
            response.data = {**response.data, "warnings": warnings}
    return response


def _warnings_of(request: Request) -> list[str]:
    # On Django's request, because an error before the view has no other.
    found: list[str] = request._request.__dict__.setdefault("api_warnings", [])
    return found


def _ignored(field: Any, data: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the path of each ignored field, and why it is ignored.

    A field with an empty value, such as null, false or an empty list, asks for nothing.
    """
    if isinstance(field, serializers.ListField) and isinstance(data, list):
        for index, item in enumerate(data[:MAX_WARNINGS]):
            yield from _ignored(field.child, item, f"{path}.{index}")
    if not (isinstance(field, serializers.Serializer) and isinstance(data, dict)):
        return
    reasons = getattr(field, "ignored_fields", {})
    for name, value in data.items():
        shown = f"{path}.{name[:MAX_NAME_LENGTH]}".lstrip(".")
        if name in field.fields:
            yield from _ignored(field.fields[name], value, shown)
        elif value:
            yield shown, reasons.get(name, UNKNOWN)
