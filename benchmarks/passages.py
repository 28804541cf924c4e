"""Time searches among a million passages.

On its own: `python benchmarks/passages.py`; fast: `--passages 20000`. It starts PostgreSQL with
pgvector from a wheel (or uses the server of DATABASE_URL), generates passages with random vectors,
builds the index, and times searches as the API sends them, without the call of the embedding model.
Half of the passages are in one archive, the others in archives of a thousand.
"""

import argparse
import os
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.postgres import postgres  # noqa: E402

DATABASE = "conversations_passages"
EMBEDDING = "bench/model"
SMALL_ARCHIVE = 1_000
BATCH = 50_000
# Words by Zipf's law, nearly: w0 is in every fourth passage.
PASSAGES = """
    INSERT INTO conversations_passage (id, organization_id, archive_id, text, tags, metadata,
        embedding, dimensions, embed_attempts, created_at, updated_at)
    SELECT gen_random_uuid(), %(organization)s, a.id, t.text,
        jsonb_build_array('tag' || n %% 100), '{{}}', v.embedding, %(dimensions)s, 0,
        timestamptz '2026-01-01 00:00Z' + n * interval '1 second', now()
    FROM generate_series(%(start)s::int, %(stop)s::int) n
    JOIN archive_numbers a ON a.number = CASE WHEN n %% 2 = 0 THEN 0
        ELSE 1 + n / 2 / {small} END
    CROSS JOIN LATERAL (SELECT string_agg('w' || floor(20000 * random() ^ 4)::int, ' ') AS text
        FROM generate_series(1, 12 + 0 * n)) t
    CROSS JOIN LATERAL (SELECT array_agg((random() - 0.5)::real) AS embedding
        FROM generate_series(1, %(dimensions)s::int + 0 * n)) v
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--searches", type=int, default=200, help="per kind of search")
    options = parser.parse_args()
    with postgres() as url:
        base, _, parameters = url.partition("?")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {DATABASE}")
        os.environ["DATABASE_URL"] = f"{base.rpartition('/')[0]}/{DATABASE}?{parameters}"
        os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
        import django  # noqa: PLC0415 (after DATABASE_URL)

        django.setup()
        measure(options)


def measure(options: argparse.Namespace) -> None:
    from django.core.management import call_command  # noqa: PLC0415 (after django.setup)
    from django.db import connection  # noqa: PLC0415

    from conversations.tenancy import acting_for_all  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    with acting_for_all():
        fill(connection, options)
        report(options)


def fill(connection, options: argparse.Namespace) -> None:
    from conversations.domain.conversations.accounts import create_organization  # noqa: PLC0415
    from conversations.models import Archive  # noqa: PLC0415
    from conversations.models.archives import vector_index_name, vector_index_sql  # noqa: PLC0415

    organization = create_organization("Bench")
    archives = Archive.objects.bulk_create(
        Archive(organization=organization, name=f"{number:06}", embedding=EMBEDDING)
        for number in range(2 + options.passages // 2 // SMALL_ARCHIVE)
    )
    with connection.cursor() as cursor:
        index = vector_index_name(options.dimensions)
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(f"DROP INDEX IF EXISTS {index}")
        cursor.execute("CREATE TEMP TABLE archive_numbers (number int PRIMARY KEY, id uuid)")
        cursor.executemany(
            "INSERT INTO archive_numbers VALUES (%s, %s)",
            [(number, archive.pk.partition("-")[2]) for number, archive in enumerate(archives)],
        )
        started = time.monotonic()
        for start in range(0, options.passages, BATCH):
            values = {
                "organization": organization.pk.partition("-")[2],
                "dimensions": options.dimensions,
                "start": start,
                "stop": min(start + BATCH, options.passages) - 1,
            }
            cursor.execute(PASSAGES.format(small=SMALL_ARCHIVE), values)
            print(f"{values['stop'] + 1:>9,} passages, {time.monotonic() - started:.0f} s")
        cursor.execute("SET maintenance_work_mem = '3GB'")
        started = time.monotonic()
        cursor.execute(vector_index_sql(options.dimensions))
        cursor.execute("VACUUM ANALYZE conversations_passage")
        cursor.execute("SELECT pg_size_pretty(pg_relation_size(%s))", [index])
        size = cursor.fetchone()[0]
        print(f"The index of the vectors took {time.monotonic() - started:.0f} s and has {size}")


def report(options: argparse.Namespace) -> None:
    from conversations.domain.archives.search import search_passages  # noqa: PLC0415
    from conversations.models import Archive, Passage  # noqa: PLC0415

    large, small = Archive.objects.order_by("name")[:2]
    live = Passage.objects.live()

    def query() -> str:
        return " ".join(f"w{int(20_000 * random.random() ** 4)}" for _ in range(4))

    def vectors() -> dict[str, list[float]]:
        return {EMBEDDING: [random.random() - 0.5 for _ in range(options.dimensions)]}

    searches: dict[str, Callable[[], object]] = {
        "large archive, words and vector": lambda: search_passages(
            live, query(), limit=10, vectors=vectors(), archive_id=large.pk
        ),
        "large archive, words": lambda: search_passages(
            live, query(), limit=10, archive_id=large.pk
        ),
        "large archive, one tag of 50": lambda: search_passages(
            live.filter(tags__has_tag="tag42"),
            query(),
            limit=10,
            vectors=vectors(),
            archive_id=large.pk,
        ),
        "archive of 1,000": lambda: search_passages(
            live, query(), limit=10, vectors=vectors(), archive_id=small.pk
        ),
        "all archives": lambda: search_passages(live, query(), limit=10, vectors=vectors()),
    }
    print(f"\n{options.passages:,} passages, milliseconds")
    print(f"{'':34}{'p50':>8}{'p95':>8}")
    for name, search in searches.items():
        times = []
        for _ in range(options.searches):
            started = time.perf_counter()
            assert search()
            times.append(1000 * (time.perf_counter() - started))
        quantiles = statistics.quantiles(times, n=20)
        print(f"{name:34}{statistics.median(times):8.1f}{quantiles[-1]:8.1f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"The process's memory peaked at {peak} MiB")


if __name__ == "__main__":
    main()
