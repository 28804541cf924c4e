import json
from typing import Any

import orjson
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.utils.encoders import JSONEncoder


def dumped(data: Any, *, option: int = 0) -> bytes:
    """JSON of what is stored, which may hold any JSON. Times end in Z."""
    try:
        return orjson.dumps(data, option=option | orjson.OPT_UTC_Z)
    except orjson.JSONEncodeError:
        # An integer of more than 64 bits in somebody's metadata; PostgreSQL also makes one of
        # 1e300.
        in_order = bool(option & orjson.OPT_SORT_KEYS)
        text = json.dumps(data, cls=JSONEncoder, ensure_ascii=False, sort_keys=in_order)
        return text.encode()


class JSONRenderer(BaseRenderer):
    """orjson: ten times faster than DRF's own on a page of messages."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data, accepted_media_type=None, renderer_context=None):
        return dumped(data)


class AlwaysJSON(DefaultContentNegotiation):
    """Answers in JSON, as V1 did: clients that want a stream accept nothing else, and must still
    be told of an error."""

    def select_renderer(self, request, renderers, format_suffix=None):
        return renderers[0], renderers[0].media_type
