from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from conversations.domain.archives.embedding import MAX_ATTEMPTS
from conversations.models import Passage

from ..factories import make_archive, make_passage

EMBEDDING = "openai/text-embedding-3-small"


@pytest.fixture
def archive(transactional_db):
    return make_archive(embedding=EMBEDDING)


def test_due_passages_get_vectors(archive, model, capsys):
    make_passage(archive, "sea")
    make_passage(archive, "")  # Nothing to embed.
    make_passage(make_archive(), "of an archive without a model")

    call_command("embed_passages")

    assert capsys.readouterr().out == "Embedded 1 passages; 0 wait for a later attempt\n"
    assert Passage.objects.get(dimensions=1536).text == "sea"


def test_failed_passages_wait_and_others_get_vectors(archive, model, capsys):
    texts = ["sea", "UNEMBEDDABLE", "ice", "tea"]
    for text in texts:
        make_passage(archive, text)

    call_command("embed_passages")

    [failed] = Passage.objects.filter(dimensions=None)
    assert failed.text == "UNEMBEDDABLE"
    assert failed.embed_at > timezone.now() + timedelta(seconds=10)
    assert capsys.readouterr().out == "Embedded 3 passages; 1 wait for a later attempt\n"


def test_last_attempt_gives_up_and_retry_begins_again(archive, model):
    passage = make_passage(archive, "sea")
    Passage.objects.update(embed_attempts=MAX_ATTEMPTS - 1)
    model.embeddings_fail = 500
    call_command("embed_passages")
    passage.refresh_from_db()
    assert (passage.embed_at, passage.dimensions) == (None, None)
    model.embeddings_fail = 0
    call_command("embed_passages")
    passage.refresh_from_db()
    assert passage.dimensions is None

    call_command("embed_passages", "--retry")

    passage.refresh_from_db()
    assert (passage.dimensions, passage.embed_at) == (1536, None)


def test_embedding_needs_a_provider(db):
    with pytest.raises(CommandError, match="PROVIDERS"):
        call_command("embed_passages")


def test_vector_index_covers_stored_lengths(transactional_db, is_postgres, capsys):
    if not is_postgres:
        with pytest.raises(CommandError, match="PostgreSQL"):
            call_command("vector_index")
        return
    passage = make_passage(make_archive())
    Passage.objects.filter(pk=passage.pk).update(embedding=[1.0] * 5, dimensions=5)
    with connection.cursor() as cursor:
        try:
            call_command("vector_index")

            assert "Vectors of 5 numbers have an index\n" in capsys.readouterr().out
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'passage_vectors_5'")
            assert "hnsw" in cursor.fetchone()[0]
        finally:
            cursor.execute("DROP INDEX IF EXISTS passage_vectors_5")
