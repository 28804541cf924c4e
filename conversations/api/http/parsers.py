"""Request bodies: JSON in UTF-8, of a bounded size."""

import json

from django.conf import settings
from rest_framework.parsers import BaseParser

from .errors import BodyTooLarge, InvalidRequest


class JSONParser(BaseParser):
    """Reads a body as JSON; what is wrong with it is a 422, as the clients expect.

    The standard library's parser, because it takes lone surrogates: then the field that holds
    one can be named.
    """

    media_type = "application/json"

    def parse(self, stream, media_type=None, parser_context=None):
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        # One byte more than allowed: a body sent in chunks does not say its length beforehand.
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise BodyTooLarge(f"body: expected at most {limit} bytes")
        try:
            return json.loads(body, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(f"body: expected JSON in UTF-8; {error}") from None


def _refuse(constant: str):
    raise ValueError(f"{constant} is not JSON")
