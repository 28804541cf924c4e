"""POST /v1/messages/search uses the text search of the database."""

import pytest
from django.db import connection, transaction

from conversations.domain.conversations.conversations import delete_conversation
from conversations.domain.conversations.search import search_messages
from conversations.models import Message

from ..factories import actor, make_agent, make_conversation, make_messages


@pytest.fixture
def conversation(alice):
    conversation = make_conversation(make_agent(alice))
    make_messages(
        conversation,
        "The zebra is called Ada",
        "Zebras are striped, 100% of them",
        "Ada eats grass_in the morning",
        "Übermut tut selten gut",
    )
    return conversation


def search(client, query: str, **fields) -> list[str]:
    reply = client.post("/v1/messages/search", {"query": query, **fields})
    assert reply.status_code == 200, reply.content
    return [found["content"] for found in reply.json()]


def test_search_matches_all_words_newest_first(client_for, alice, conversation):
    client = client_for(alice)

    assert search(client, "ada") == ["Ada eats grass_in the morning", "The zebra is called Ada"]
    assert search(client, "CALLED the") == ["The zebra is called Ada"]
    assert search(client, "zebra morning") == []
    assert search(client, "") == search(client, "   ") == []


def test_search_matches_non_ascii_words(client_for, alice, conversation):
    assert search(client_for(alice), "Übermut") == ["Übermut tut selten gut"]


@pytest.mark.parametrize("query", ["%", "_", "\\", "' OR 1=1", "a & b | !c", '"', ":*"])
def test_search_treats_punctuation_literally(client_for, alice, conversation, query):
    """Punctuation is neither a wildcard nor an operator, and never an error."""
    assert len(search(client_for(alice), query)) < 4


def test_search_result_on_the_wire(client_for, alice, conversation):
    [found] = client_for(alice).post("/v1/messages/search", {"query": "called"}).json()

    message = conversation.message_links.get(position=1).message
    assert found["message_id"] == message.pk
    assert found["message_type"] == "user_message"
    assert found["agent_id"] == conversation.agent_id
    assert found["conversation_id"] == conversation.pk


def test_search_filters_by_conversation_time_and_role(client_for, alice, mallory, conversation):
    other = make_conversation(make_agent(alice))
    make_messages(other, "The zebra is called Eve")
    client = client_for(alice)

    assert len(search(client, "zebra called")) == 2
    assert search(client, "zebra called", conversation_id=other.pk) == ["The zebra is called Eve"]
    assert search(client, "called", agent_id=other.agent_id) == ["The zebra is called Eve"]
    assert search(client, "called", roles=["assistant"]) == []
    assert len(search(client, "called", limit=1)) == 1
    assert search(client, "called", start_date="2100-01-01T00:00:00Z") == []
    assert search(client_for(mallory), "zebra") == []
    stranger = client_for(mallory).post(
        "/v1/messages/search", {"query": "zebra", "conversation_id": other.pk}
    )
    assert stranger.status_code == 404


def test_search_excludes_deleted_conversations(client_for, alice, conversation):
    delete_conversation(conversation, by=actor(alice))

    assert search(client_for(alice), "zebra") == []


@pytest.mark.parametrize("words", [1, 200_000])
def test_search_with_long_query_is_422(client_for, alice, conversation, words):
    reply = client_for(alice).post("/v1/messages/search", {"query": "zebra" * 200 + " a" * words})

    assert reply.status_code == 422
    assert reply.json()["detail"] == "query: expected at most 1000 characters"
    assert search(client_for(alice), "called " * 142) == ["The zebra is called Ada"]


def test_message_too_long_for_index_is_stored(client_for, alice, conversation):
    """PostgreSQL indexes at most one megabyte of words per row."""
    make_messages(conversation, " ".join(f"word{n}" for n in range(200_000)), "a giraffe")

    assert search(client_for(alice), "giraffe") == ["a giraffe"]
    assert search(client_for(alice), "zebra called") == ["The zebra is called Ada"]


@pytest.mark.postgres_only
def test_search_uses_index(conversation):
    found = search_messages(Message.objects.all(), "zebra").order_by()

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        assert "message_texts" in found.explain()


def test_read_key_can_search(client_for, alice, conversation):
    assert search(client_for(alice, scope="read"), "called") == ["The zebra is called Ada"]


def test_search_excludes_system_message(client_for, alice):
    make_conversation(make_agent(alice, memory_blocks=[{"label": "human", "value": "a zebra"}]))

    assert search(client_for(alice), "zebra") == []
