"""Search passages by their words and by the vectors of their texts.

Each way of searching ranks a bounded number of candidates; the ranks are merged by reciprocal rank
fusion (Cormack, Clarke and Buettcher, 2009). Without a vector of the query, words decide alone.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from operator import mul
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact

from ...models import Archive, Passage
from ...models.archives import (
    MAX_INDEXED_DIMENSIONS,
    CosineDistance,
    PassageQuerySet,
    WordRank,
)
from ...text import is_storable
from ..errors import InvalidValue

MAX_QUERY_LENGTH = 1_000
MAX_RESULTS = 100
# The constant of reciprocal rank fusion, from its paper.
FUSION_CONSTANT = 60
# How many of the best of each way are merged; at least this many.
MIN_RANKED = 50
# How many passages with words of the query are ranked.
MAX_WORD_CANDIDATES = 500
# Up to this many passages, all distances are computed; pgvector's index serves more of them.
MAX_EXACT = 2_000
# Without pgvector, the distances of this many passages are computed, newest first.
MAX_WITHOUT_INDEX = 5_000
# pgvector's: how much of the index is read for better results, and to find rows that match.
INDEX_SETTINGS = {
    "hnsw.ef_search": "100",
    "hnsw.iterative_scan": "relaxed_order",
    "hnsw.max_scan_tuples": "40000",
}


class FoundPassage(NamedTuple):
    """A passage and its score; the higher, the better."""

    passage: Passage
    score: float


class _Words(NamedTuple):
    """A query as PostgreSQL parsed it: all of its words, and any but the common ones."""

    every: str
    any: str
    has_pgvector: bool


def search_passages(
    rows: PassageQuerySet,
    query: str,
    *,
    limit: int,
    vectors: Mapping[str, Sequence[float]] | None = None,
    archive_id: str | None = None,
) -> list[FoundPassage]:
    """Return the passages that match a query best.

    Args:
        rows: The passages to search.
        query: Words, or a question.
        limit: The maximum of results, at most MAX_RESULTS.
        vectors: The vector of the query by the embedding model that made it.
        archive_id: Search in this archive only.
    """
    if len(query) > MAX_QUERY_LENGTH:
        raise InvalidValue("query", f"expected at most {MAX_QUERY_LENGTH} characters")
    if not query.strip() or not is_storable(query):
        return []
    ranked = max(limit, MIN_RANKED)
    rows = rows.order_by()
    with_words = rows
    if archive_id is not None:
        rows = rows.filter(archive=archive_id)
        # Not as a column: the index of the words knows the archive, and PostgreSQL would combine
        # it with the one of archives, which reads all passages of a large archive.
        of = Coalesce("archive_id", "archive_id", output_field=Archive._meta.pk)
        with_words = with_words.filter(Exact(of, archive_id))
    if connection.vendor != "postgresql":
        rankings = [_rank_with_words(rows, query, ranked)]
        rankings += [
            _rank_in_python(_embedded(rows, handle, vector), vector, ranked)
            for handle, vector in (vectors or {}).items()
        ]
    else:
        # The settings of pgvector end with the transaction.
        with transaction.atomic() if vectors else nullcontext():
            words = _parse(query, has_vectors=bool(vectors))
            rankings = [_rank_by_words(with_words, words, ranked, archive_id)]
            rankings += [
                _rank_by_distance(
                    _embedded(rows, handle, vector), vector, ranked, has_pgvector=words.has_pgvector
                )
                for handle, vector in (vectors or {}).items()
            ]
    return _best(rankings, limit)


def _embedded(rows: PassageQuerySet, handle: str, vector: Sequence[float]) -> PassageQuerySet:
    return rows.filter(archive__embedding=handle, dimensions=len(vector))


def _best(rankings: Sequence[Sequence[str]], limit: int) -> list[FoundPassage]:
    """Merge rankings, which are ids, the best first."""
    scores: dict[str, float] = defaultdict(float)
    for ranking in rankings:
        for rank, pk in enumerate(ranking, start=1):
            scores[pk] += 1 / (FUSION_CONSTANT + rank)
    best = sorted(scores, key=scores.__getitem__, reverse=True)[:limit]
    found = Passage.objects.select_related("archive").in_bulk(best)
    return [FoundPassage(found[pk], scores[pk]) for pk in best if pk in found]


def _parse(query: str, *, has_vectors: bool) -> _Words:
    """Parse a query, and set how pgvector searches in this transaction."""
    settings = ", ".join(
        f"set_config('{name}', '{value}', true)" for name, value in INDEX_SETTINGS.items()
    )
    quoted = r"""'''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || ''''"""
    with connection.cursor() as cursor:
        # Only constants. Words that PostgreSQL takes for common in English select nothing.
        cursor.execute(
            f"""SELECT plainto_tsquery('simple', %s)::text,
            (SELECT string_agg({quoted}, ' | ') FROM unnest(to_tsvector('simple', %s))
             WHERE numnode(plainto_tsquery('english', lexeme)) > 0),
            EXISTS (SELECT FROM pg_extension WHERE extname = 'vector')
            {f", {settings}" if has_vectors else ""}""",  # noqa: S608
            [query, query],
        )
        every, any_word, has_pgvector = cursor.fetchone()[:3]
    return _Words(every, any_word or "", has_pgvector)


def _rank_by_words(
    rows: PassageQuerySet, words: _Words, limit: int, archive_id: str | None
) -> list[str]:
    """Rank passages with all words of the query; if those are few, others with some of them."""
    ranking: list[str] = []
    for tsquery in dict.fromkeys((words.every, words.any)):
        if tsquery and len(ranking) < limit:
            ranking += _rank_matches(rows, tsquery, limit, archive_id, besides=ranking)
    return ranking[:limit]


def _rank_matches(
    rows: PassageQuerySet,
    tsquery: str,
    limit: int,
    archive_id: str | None,
    besides: Collection[str],
) -> list[str]:
    matched = f"({tsquery})"
    if archive_id is not None:
        matched += f" & '{archive_id.partition('-')[2]}'"
    rank = WordRank(F("words"), Value(tsquery))
    candidates = rows.filter(words__matches=matched).values_list(rank, "created_at", "pk")
    # Sorted here, because PostgreSQL would rank all matches before it limits them.
    best = sorted(candidates[:MAX_WORD_CANDIDATES], reverse=True)
    return [pk for _, _, pk in best if pk not in besides][:limit]


def _rank_by_distance(
    rows: PassageQuerySet, vector: Sequence[float], limit: int, *, has_pgvector: bool
) -> list[str]:
    count = rows[: MAX_EXACT + 1].count()
    if not count:
        return []
    has_index = has_pgvector and len(vector) <= MAX_INDEXED_DIMENSIONS
    if not has_index and count > MAX_EXACT:
        newest = rows.order_by("-created_at", "-id").values("pk")[:MAX_WITHOUT_INDEX]
        rows = Passage.objects.filter(pk__in=newest)
    is_exact = not has_index or count <= MAX_EXACT
    distance = CosineDistance(vector, has_pgvector=has_index, is_exact=is_exact)
    nearest = rows.annotate(distance=distance).order_by("distance")
    # The index yields rows in nearly the right order.
    found = sorted(nearest.values_list("distance", "pk")[:limit])
    return [pk for _, pk in found]


def _rank_with_words(rows: PassageQuerySet, query: str, limit: int) -> list[str]:
    """Rank passages by how many words of the query they contain, then newest first: SQLite."""
    words = list(dict.fromkeys(query.lower().split()))
    every = rows.all()
    for word in words:
        every = every.containing(word)
    found = list(every.order_by("-created_at", "-id").values_list("pk", flat=True)[:limit])
    if len(found) < limit and len(words) > 1:
        some: PassageQuerySet = rows.none()
        for word in words:
            some = some | rows.containing(word)
        candidates = some.order_by("-created_at", "-id").values_list("pk", "text")
        counts = {
            pk: sum(word in text.lower() for word in words)
            for pk, text in candidates[:MAX_WORD_CANDIDATES]
            if pk not in set(found)
        }
        found += sorted(counts, key=counts.__getitem__, reverse=True)
    return found[:limit]


def _rank_in_python(rows: PassageQuerySet, vector: Sequence[float], limit: int) -> list[str]:
    newest = rows.order_by("-created_at", "-id").values_list("pk", "embedding")
    length = math.hypot(*vector)
    distances = []
    for pk, other in newest[:MAX_WITHOUT_INDEX].iterator():
        if other and (norm := length * math.hypot(*other)):
            distances.append((-sum(map(mul, vector, other)) / norm, pk))
    return [pk for _, pk in sorted(distances)[:limit]]
