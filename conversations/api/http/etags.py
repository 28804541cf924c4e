"""Conditional requests: `ETag` in answers, `If-Match` and `If-None-Match` in requests.

A block's tag is its version: `"5"`. A conversation, and a block as a conversation reads it, say
more than their version counts (stale, in context, drift), so a digest of the rest follows:
`"5-1f0e9a2b"`. `If-Match` compares the version alone, and takes `"5"` for both.
"""

import hashlib
import re

import orjson
from django.http import HttpResponseNotModified
from drf_spectacular.utils import OpenApiParameter
from rest_framework.response import Response

from ...models import Block
from ..shapes.blocks import block_json
from .errors import InvalidRequest
from .renderers import dumped

TAG = re.compile(r'"(?P<version>[0-9]{1,9})(?:-[0-9a-f]{8})?"')

IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag that the write is based on; 412 when it is no longer the newest.",
)
IF_NONE = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="* when there may be none yet; 412 when there is one.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="An ETag; 304 without a body when it is still the newest.",
)


def expected_version(request) -> int | None:
    """The version that `If-Match` names; None when any will do."""
    header = request.headers.get("If-Match", "*").strip()
    if header == "*":
        return None
    match = TAG.fullmatch(header)
    if match is None:
        raise InvalidRequest(f'If-Match: expected one ETag like "3", or *, got {header!r}')
    return int(match["version"])


def requires_absence(request) -> bool:
    """Whether `If-None-Match: *` says that there may be nothing yet. `If-Match` is refused: what is
    there already is not written by such a request."""
    if "If-Match" in request.headers:
        raise InvalidRequest("If-Match: this request makes something new; edit with PATCH")
    header = request.headers.get("If-None-Match")
    if header is not None and header.strip() != "*":
        raise InvalidRequest(f"If-None-Match: a write takes * only, got {header!r}")
    return header is not None


def tagged(request, representation: dict, version: int) -> Response | HttpResponseNotModified:
    """Answer what says more than its version counts."""
    rest = dumped(representation, option=orjson.OPT_SORT_KEYS)
    return _answer(request, representation, f'"{version}-{hashlib.sha256(rest).hexdigest()[:8]}"')


def tagged_block(request, block: Block) -> Response | HttpResponseNotModified:
    return _answer(request, block_json(block), f'"{block.version}"')


def _answer(request, representation: dict, tag: str) -> Response | HttpResponseNotModified:
    headers = {"ETag": tag}
    known = [
        known.strip().removeprefix("W/")
        for known in request.headers.get("If-None-Match", "").split(",")
    ]
    if request.method in ("GET", "HEAD") and (tag in known or "*" in known):
        return HttpResponseNotModified(headers=headers)
    return Response(representation, headers=headers)
