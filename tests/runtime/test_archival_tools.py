"""The tools by which a model writes to its agent's archive and searches it."""

import json

import pytest

from conversations.models import Archive, Passage

from ..factories import make_agent, make_conversation, make_passage
from ..script import call, say, script
from .processes import until
from .streams import stream

TOOLS = ["archival_memory_insert", "archival_memory_search"]
EMBEDDING = "openai/text-embedding-3-small"


@pytest.fixture
def agent(transactional_db, alice):
    return make_agent(alice, name="Keeper", tools=TOOLS, embedding=EMBEDDING)


@pytest.fixture
def ask(client_for, alice, agent, model):
    """Return a function that lets the model call a tool and returns its result."""
    client, conversation = client_for(alice), make_conversation(agent)

    def call_tool(name: str, **arguments: object) -> tuple[str, str]:
        events = stream(client, conversation, script(call(name, **arguments), say("ok")))
        [result] = [e for e in events if e["message_type"] == "tool_return_message"]
        return result["status"], result["tool_return"]

    return call_tool


def test_insert_stores_a_passage_that_gets_its_vector_later(ask, agent):
    result = ask("archival_memory_insert", content="Tides turn at six.", tags=["sea"])

    assert result == ("success", "None")
    passage = Passage.objects.get()
    assert (passage.text, passage.tags) == ("Tides turn at six.", ["sea"])
    assert passage.archive == agent.archives.get()
    assert passage.archive.name == "Keeper's Archive"
    with_vector = Passage.objects.filter(dimensions=1536, embed_at=None)
    until(with_vector.exists, seconds=60, what="the worker embeds the passage")


def test_search_returns_passages_as_json(ask, agent):
    make_passage(agent, "Tides turn at six.", tags=["sea"], created_at="2026-01-01T00:00:00Z")
    make_passage(agent, "Coffee at nine.")

    status, text = ask("archival_memory_search", query="tides", tags=["sea"], top_k=3)

    [found] = json.loads(text)
    assert status == "success"
    assert found == {
        "id": Passage.objects.get(tags__has_tag="sea").pk,
        "timestamp": "2026-01-01T00:00:00+00:00",
        "content": "Tides turn at six.",
        "tags": ["sea"],
    }


def test_search_finds_by_meaning(ask, agent):
    ask("archival_memory_insert", content="The harbor freezes in March.")
    ask("archival_memory_insert", content="Coffee at nine.")
    with_vectors = Passage.objects.filter(dimensions=1536)
    until(lambda: with_vectors.count() == 2, seconds=60, what="the worker embeds the passages")

    _, text = ask("archival_memory_search", query="winter port", top_k=1)

    assert [found["content"] for found in json.loads(text)] == ["The harbor freezes in March."]


def test_search_without_archive_finds_nothing(ask):
    assert ask("archival_memory_search", query="tides") == ("success", "[]")
    assert not Archive.objects.exists()


def test_null_arguments_count_as_absent(ask, agent):
    make_passage(agent, "Tides turn at six.")

    status, text = ask("archival_memory_search", query="tides", tags=None, start_datetime=None)

    assert (status, len(json.loads(text))) == ("success", 1)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"query": "x", "tag_match_mode": "some"}, "tag_match_mode"),
        ({"query": "x", "tags": ["a", 1]}, "tags.1"),
        ({"query": "x", "top_k": 0}, "top_k"),
        ({"query": "x", "start_datetime": "yesterday"}, "start_datetime"),
    ],
)
def test_wrong_arguments_are_named(ask, agent, arguments, problem):
    make_passage(agent)

    status, text = ask("archival_memory_search", **arguments)

    assert status == "error"
    assert problem in text


def test_empty_content_is_refused(ask):
    status, text = ask("archival_memory_insert", content=" ")

    assert status == "error"
    assert "content" in text
    assert not Passage.objects.exists()
