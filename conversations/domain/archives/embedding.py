"""Which passages need a vector, and storing it.

A passage without a vector has a time, `embed_at`, at which it is due. A claim moves that time into
the future, so that no second process embeds the passage meanwhile and a crash costs one attempt.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from ...models import Passage
from ...models.archives import PassageQuerySet

# How long one process may work on a passage that it has claimed.
CLAIM_TIMEOUT = timedelta(minutes=2)
# The first delay after a failure; each further one doubles it.
RETRY_DELAY = timedelta(seconds=30)
# After the last attempt, about a day later, search finds the passage by its words only.
MAX_ATTEMPTS = 12
BATCH_SIZE = 64


class PendingPassage(NamedTuple):
    """A passage that was claimed to be embedded."""

    id: str
    handle: str
    text: str
    attempts: int


class EmbeddingResult(NamedTuple):
    """The vectors of claimed passages by id, and those that failed."""

    vectors: dict[str, list[float]]
    failed: list[PendingPassage]


def claim_pending(
    handles: Collection[str], *, among: Sequence[Passage] | None = None, limit: int = BATCH_SIZE
) -> list[PendingPassage]:
    """Claim passages that are due and whose archive has one of these embedding models.

    `among` limits the claim to passages that were just inserted.
    """
    now = timezone.now()
    due = Passage.objects.filter(embed_at__lte=now, archive__embedding__in=handles)
    if among is not None:
        due = due.filter(pk__in=[passage.pk for passage in among])
    with transaction.atomic():
        locked = due.live().select_for_update(of=("self",), skip_locked=True, no_key=True)
        columns = ("pk", "archive__embedding", "text", "embed_attempts")
        claimed = [
            PendingPassage(pk, handle, text, attempts + 1)
            for pk, handle, text, attempts in locked.order_by("embed_at").values_list(*columns)[
                :limit
            ]
        ]
        for attempts in {passage.attempts for passage in claimed}:
            ids = [passage.id for passage in claimed if passage.attempts == attempts]
            Passage.objects.filter(pk__in=ids).update(
                embed_at=now + CLAIM_TIMEOUT, embed_attempts=attempts
            )
    return claimed


@transaction.atomic
def store_result(result: EmbeddingResult) -> None:
    """Store vectors, and make failed passages due later; give up those with MAX_ATTEMPTS."""
    rows = [
        Passage(pk=pk, embedding=vector, dimensions=len(vector), embed_at=None)
        for pk, vector in sorted(result.vectors.items())
    ]
    Passage.objects.bulk_update(rows, ["embedding", "dimensions", "embed_at"])
    now = timezone.now()
    for passage in sorted(result.failed):
        is_last = passage.attempts >= MAX_ATTEMPTS
        at = None if is_last else now + RETRY_DELAY * 2 ** (passage.attempts - 1)
        Passage.objects.filter(pk=passage.id, embedding=None).update(embed_at=at)


def retry_all(passages: PassageQuerySet) -> int:
    """Make all passages without a vector due now; return their number."""
    rows = passages.filter(embedding=None, archive__embedding__isnull=False).exclude(text="")
    return rows.live().update(embed_at=timezone.now(), embed_attempts=0)
