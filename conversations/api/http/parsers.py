"""Request bodies of bounded size: JSON in UTF-8, and forms with files."""

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request

from .errors import BodyTooLarge, InvalidRequest


class JSONParser(BaseParser):
    """Parse JSON; a syntax error is a 422, as V1's clients expect.

    The standard library accepts lone surrogates, so that the field that contains one can be named.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the document; raise BodyTooLarge or InvalidRequest."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        # One byte more than allowed: a chunked body does not announce its length.
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise BodyTooLarge(f"body: expected at most {limit} bytes")
        try:
            return json.loads(body, parse_constant=_reject_constant)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(f"body: expected JSON in UTF-8; {error}") from None


class FormParser(MultiPartParser):
    """Parse a form with a file; refuse a long one before reading it."""

    max_bytes: int

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the form; raise BodyTooLarge."""
        # A multipart body without a length is empty.
        request: Request = (parser_context or {})["request"]
        if int(request.META.get("CONTENT_LENGTH") or 0) > self.max_bytes:
            mebibytes = self.max_bytes >> 20
            raise BodyTooLarge(f"file: expected at most {self.max_bytes} bytes ({mebibytes} MiB)")
        return super().parse(stream, media_type, parser_context)


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
