"""Conditional requests: `ETag` in responses, `If-Match` and `If-None-Match` in requests.

The tag of a block is its version: `"5"`. The JSON of a conversation and of an effective block can
change without a new version (stale, in context, drift), so their tags end with a digest of it:
`"5-1f0e9a2b"`. `If-Match` compares only the version and accepts `"5"` for both.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import orjson
from django.http import HttpResponse, HttpResponseNotModified
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from .errors import InvalidRequest
from .renderers import dumped

TAG = re.compile(r'"(?P<version>[0-9]{1,9})(?:-[0-9a-f]{8})?"')


def _header(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description)


IF_MATCH = _header(
    "If-Match", "The ETag that the write is based on; 412 when it is no longer the newest."
)
IF_NONE = _header("If-None-Match", "* when there may be none yet; 412 when there is one.")
IF_NONE_MATCH = _header("If-None-Match", "An ETag; 304 without a body when it is still the newest.")


def expected_version(request: Request) -> int | None:
    """Return the version that `If-Match` names, or None if any version is accepted."""
    header = request.headers.get("If-Match", "*").strip()
    if header == "*":
        return None
    match = TAG.fullmatch(header)
    if match is None:
        raise InvalidRequest(f'If-Match: expected one ETag like "3", or *, got {header!r}')
    return int(match["version"])


def requires_absence(request: Request) -> bool:
    """Return whether `If-None-Match: *` requires that there is no row yet.

    `If-Match` is an error, because the request never writes an existing row.
    """
    if "If-Match" in request.headers:
        raise InvalidRequest("If-Match: this request creates a row; use PATCH to edit one")
    header = request.headers.get("If-None-Match")
    if header is not None and header.strip() != "*":
        raise InvalidRequest(f"If-None-Match: a write accepts only *, got {header!r}")
    return header is not None


def tagged(request: Request, representation: Mapping[str, Any], version: int) -> HttpResponse:
    """Respond with JSON that can change without a new version."""
    rest = dumped(representation, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(rest).hexdigest()[:8]
    return _conditional(request, representation, f'"{version}-{digest}"')


def tagged_by_version(
    request: Request, representation: Mapping[str, Any], version: int
) -> HttpResponse:
    """Respond with JSON that changes only with the version."""
    return _conditional(request, representation, f'"{version}"')


def _conditional(request: Request, representation: Mapping[str, Any], tag: str) -> HttpResponse:
    headers = {"ETag": tag}
    known = [
        known.strip().removeprefix("W/")
        for known in request.headers.get("If-None-Match", "").split(",")
    ]
    if request.method in ("GET", "HEAD") and (tag in known or "*" in known):
        return HttpResponseNotModified(headers=headers)
    return Response(representation, headers=headers)
