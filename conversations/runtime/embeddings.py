"""Calling embedding models, for stored passages and for queries, outside of transactions."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from ..conf import conf
from ..domain.archives.embedding import (
    BATCH_SIZE,
    EmbeddingResult,
    PendingPassage,
    claim_pending,
    store_result,
)
from ..llm.embeddings import embed, is_served
from ..llm.errors import ModelError
from ..models import Archive, Passage
from .database import in_database

logger = logging.getLogger(__name__)

# How long a request waits for vectors, in seconds. Without them, a passage gets one later, and a
# search is by words only.
REQUEST_TIMEOUT = 10.0
# A provider's errors that concern one text, not the provider.
ABOUT_TEXT = ("llm_bad_request", "context_window_exceeded")

# The maximum of calls at a time.
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="embeddings")


async def query_vectors(handles: Iterable[str], query: str) -> dict[str, list[float]]:
    """Return the vector of a query by each of these models that responds."""
    served = [handle for handle in handles if is_served(handle)] if query.strip() else []
    found = await asyncio.gather(*(_query_vector(handle, query) for handle in served))
    return {handle: vector for handle, vector in zip(served, found, strict=True) if vector}


async def _query_vector(handle: str, query: str) -> list[float]:
    try:
        [vector] = await _embed(handle, [query], REQUEST_TIMEOUT)
    except ModelError as error:
        logger.warning("Searching by words only: %s: %s %s", handle, error, error.cause)
        return []
    return vector


def claim_inserted(passages: Sequence[Passage]) -> list[PendingPassage]:
    """Claim passages that were just inserted and whose model is served."""
    due = [passage for passage in passages if passage.embed_at is not None]
    handles = {passage.archive.embedding for passage in due}
    served = [handle for handle in handles if handle and is_served(handle)]
    return claim_pending(served, among=due, limit=len(due)) if served else []


async def embed_pending() -> int:
    """Embed one batch of passages that are due; return the number of those claimed."""
    claimed = await in_database(_claim_any) if conf.PROVIDERS else []
    if claimed:
        result = await embed_claimed(claimed, conf.MODEL_TIMEOUT)
        await in_database(store_result, result)
    return len(claimed)


def _claim_any() -> list[PendingPassage]:
    if not Passage.objects.filter(embed_at__isnull=False).exists():
        return []
    known = Archive.objects.order_by().exclude(embedding=None).values_list("embedding", flat=True)
    return claim_pending([handle for handle in known.distinct() if handle and is_served(handle)])


async def embed_claimed(
    claimed: Sequence[PendingPassage], timeout: float = REQUEST_TIMEOUT
) -> EmbeddingResult:
    """Return the vectors of claimed passages. Uses no database."""
    by_handle: dict[str, list[PendingPassage]] = defaultdict(list)
    for passage in claimed:
        by_handle[passage.handle].append(passage)
    batches = [
        (handle, passages[start : start + BATCH_SIZE])
        for handle, passages in by_handle.items()
        for start in range(0, len(passages), BATCH_SIZE)
    ]
    results = await asyncio.gather(*(_embed_batch(*batch, timeout) for batch in batches))
    return _merged(results)


async def _embed_batch(handle: str, batch: list[PendingPassage], timeout: float) -> EmbeddingResult:
    try:
        found = await _embed(handle, [passage.text for passage in batch], timeout)
    except ModelError as error:
        if error.type in ABOUT_TEXT and len(batch) > 1:
            # One of the texts is refused; only smaller batches tell which.
            halves = batch[: len(batch) // 2], batch[len(batch) // 2 :]
            return _merged([await _embed_batch(handle, half, timeout) for half in halves])
        logger.warning("%d passages wait for %s: %s %s", len(batch), handle, error, error.cause)
        return EmbeddingResult({}, batch)
    pairs = zip(batch, found, strict=True)
    return EmbeddingResult({passage.id: vector for passage, vector in pairs}, [])


def _merged(results: Collection[EmbeddingResult]) -> EmbeddingResult:
    vectors = {pk: vector for result in results for pk, vector in result.vectors.items()}
    return EmbeddingResult(vectors, [passage for result in results for passage in result.failed])


async def _embed(handle: str, texts: Sequence[str], timeout: float) -> list[list[float]]:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, partial(embed, handle, texts, timeout=timeout))
