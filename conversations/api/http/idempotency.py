"""POST requests with an `Idempotency-Key`: the same request again gets the same response."""

import hashlib
from collections.abc import Callable
from typing import Any

import orjson
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, OperationalError, transaction
from django.http import HttpResponse, QueryDict
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.errors import Conflict
from ...domain.idempotency import KeyInProgress, RequestKey, find_record, insert_record
from ...models import IdempotencyRecord
from ..auth import key_of
from .errors import InvalidRequest
from .renderers import JSONRenderer, dumped

MAX_KEY_LENGTH = 255
REPLAYED = "Idempotency-Replayed"
LOCK_NOT_AVAILABLE = "55P03"


class _RecordExists(Exception):
    """Another request has stored a record with the key."""


def request_key(request: Request) -> RequestKey | None:
    """Return the key that a request was sent with, if any."""
    key = request.headers.get("Idempotency-Key")
    if not key:
        return None
    if len(key) > MAX_KEY_LENGTH:
        raise InvalidRequest(
            f"Idempotency-Key: expected at most {MAX_KEY_LENGTH} characters, got {len(key)}"
        )
    query = sorted(request.query_params.lists())
    parts = [request.method, request.path, query, _comparable(request.data)]
    whole = dumped(parts, option=orjson.OPT_SORT_KEYS)
    return RequestKey(key_of(request).organization_id, key, hashlib.sha256(whole).hexdigest())


def _comparable(data: Any) -> Any:
    """Return what a body says, without the boundaries of a form, which differ in each attempt."""
    if not isinstance(data, QueryDict):
        return data
    return [
        [name, _file_digest(value) if isinstance(value, UploadedFile) else value]
        for name, values in sorted(data.lists())
        for value in values
    ]


def _file_digest(file: "UploadedFile[bytes]") -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def respond_once(
    key: RequestKey, respond: Callable[..., HttpResponse], *args: Any, **kwargs: Any
) -> HttpResponse:
    """Call `respond` and store its response in the transaction of what it writes.

    If the same request has succeeded before, return that response. A request that fails stores
    nothing and leaves the key to the next one.
    """
    for _ in range(3):
        try:
            with transaction.atomic():
                record = _insert_record(key)
                response = respond(*args, **kwargs)
                if response.status_code >= 400:
                    transaction.set_rollback(True)
                else:
                    _store(record, response)
            return response
        except _RecordExists:
            if found := find_record(key):
                return _replay(found)
    raise Conflict("Other requests use this Idempotency-Key at the same time; try again")


def _insert_record(key: RequestKey) -> IdempotencyRecord:
    try:
        return insert_record(key)
    except IntegrityError:
        raise _RecordExists from None
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise KeyInProgress(key.key) from None
        raise


def _store(record: IdempotencyRecord, response: HttpResponse) -> None:
    record.status, record.headers = response.status_code, dict(response.items())
    if isinstance(response, Response):  # It is rendered later.
        record.headers["Content-Type"] = JSONRenderer.media_type
        record.body = dumped(response.data).decode()
    else:
        record.body = response.content.decode()
    record.save(update_fields=["status", "headers", "body"])


def _replay(record: IdempotencyRecord) -> HttpResponse:
    assert record.status is not None  # noqa: S101 (other records are of other paths)
    headers = {**record.headers, REPLAYED: "true"}
    return HttpResponse(record.body.reveal(), status=record.status, headers=headers)
