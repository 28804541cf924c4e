"""What earlier requests with the same Idempotency-Key did."""

from typing import NamedTuple

from django.db.models.functions import Now

from ..models import IdempotencyRecord, Run
from .errors import Conflict, InvalidArgument


class RequestKey(NamedTuple):
    """The Idempotency-Key of a request in an organization, and the SHA-256 of the request."""

    organization_id: str
    key: str
    digest: str


class KeyReused(InvalidArgument):
    """The Idempotency-Key belongs to a request that was different."""

    def __init__(self, key: str):
        super().__init__(f"The Idempotency-Key {key!r} belongs to an earlier, different request")


class KeyInProgress(Conflict):
    """An earlier request with the same Idempotency-Key is not finished."""

    def __init__(self, key: str):
        super().__init__(f"A request with the Idempotency-Key {key!r} is in progress; try again")


def find_record(key: RequestKey) -> IdempotencyRecord | None:
    """Return what an earlier request with this key did. Raises KeyReused if it was different."""
    records = IdempotencyRecord.objects.in_organization(key.organization_id)
    counting = records.filter(created_at__gt=Now() - IdempotencyRecord.LIFETIME)
    record = counting.select_related("run").get_or_none(key=key.key)
    if record is not None and record.digest != key.digest:
        raise KeyReused(key.key)
    return record


def insert_record(key: RequestKey, *, run: Run | None = None) -> IdempotencyRecord:
    """Store a record in the caller's transaction, in place of one that no longer counts.

    Waits for a transaction that stores one with the same key; raises IntegrityError after it.
    """
    records = IdempotencyRecord.objects.in_organization(key.organization_id)
    records.filter(key=key.key, created_at__lte=Now() - IdempotencyRecord.LIFETIME).delete()
    return records.create(
        organization_id=key.organization_id, key=key.key, digest=key.digest, run=run
    )
