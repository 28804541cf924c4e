"""Archives and passages over HTTP, as V1's clients use them."""

import pytest

from conversations.domain.archives.embedding import claim_pending
from conversations.ids import new_id
from conversations.models import AgentArchive, Archive, Passage

from ..factories import make_agent, make_archive, make_passage
from ..model_server import vector_of

EMBEDDING = "openai/text-embedding-3-small"


@pytest.fixture
def client(client_for, alice):
    return client_for(alice)


@pytest.fixture
def agent(alice):
    return make_agent(alice, name="Concierge", embedding=EMBEDDING)


@pytest.fixture
def memory(client, agent):
    """Return the URL of the agent's archival memory."""
    return f"/v1/agents/{agent.pk}/archival-memory"


def texts(reply) -> list[str]:
    assert reply.status_code == 200, reply.content
    return [passage["text"] for passage in reply.json()]


def found(reply) -> list[str]:
    assert reply.status_code == 200, reply.content
    body = reply.json()
    assert body["count"] == len(body["results"])
    return [result["content"] for result in body["results"]]


def test_create_archive_returns_v1_fields(client, alice):
    reply = client.post(
        "/v1/archives/",
        {"name": "Library", "description": "Books", "embedding": EMBEDDING, "metadata": {"a": 1}},
    )

    archive = Archive.objects.get()
    times = {name: reply.json()[name] for name in ("created_at", "updated_at")}
    assert reply.json() == {
        "id": archive.pk,
        "organization_id": alice.organization_id,
        "name": "Library",
        "description": "Books",
        "metadata": {"a": 1},
        "created_by_id": alice.pk,
        "last_updated_by_id": alice.pk,
        **times,
        "vector_db_provider": "native",
        "embedding_config": {
            "handle": EMBEDDING,
            "embedding_model": "text-embedding-3-small",
            "embedding_dim": 1536,
            "embedding_endpoint_type": "openai",
            "embedding_endpoint": None,
            "embedding_chunk_size": 300,
            "batch_size": 32,
            "azure_endpoint": None,
            "azure_version": None,
            "azure_deployment": None,
        },
    }
    assert client.get(f"/v1/archives/{archive.pk}").json() == reply.json()


def test_create_archive_takes_the_older_embedding_config(client):
    config = {"embedding_model": "text-embedding-3-large", "embedding_endpoint_type": "openai"}

    reply = client.post("/v1/archives/", {"name": "Library", "embedding_config": config})

    assert reply.json()["embedding_config"]["handle"] == "openai/text-embedding-3-large"
    assert reply.json()["embedding_config"]["embedding_dim"] == 3072


def test_create_archive_with_unknown_provider_is_404(client, model):
    reply = client.post("/v1/archives/", {"name": "Library", "embedding": "nowhere/model"})

    assert reply.status_code == 404
    assert "nowhere/model" in reply.json()["detail"]
    assert not Archive.objects.exists()


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "name: field required"),
        ({"name": ""}, "name: expected at least one character, got an empty string"),
        ({"name": "x", "embedding_config": {}}, "embedding_config: expected a `handle` or an"),
        ({"name": "x", "metadata": []}, "metadata: expected an object, got []"),
    ],
)
def test_invalid_archive_is_422(client, body, detail):
    reply = client.post("/v1/archives/", body)

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith(detail)


def test_update_archive_keeps_absent_fields(client, alice):
    archive = make_archive(alice, description="Books")

    reply = client.patch(f"/v1/archives/{archive.pk}", {"name": "Shelf"})

    assert (reply.json()["name"], reply.json()["description"]) == ("Shelf", "Books")
    assert client.patch(f"/v1/archives/{archive.pk}", {"description": None}).json()[
        "description"
    ] is None  # fmt: skip


def test_list_archives_filters_and_pages(client, alice, agent):
    first, second = make_archive(alice, name="One"), make_archive(alice, name="Two")
    client.patch(f"/v1/agents/{agent.pk}/archives/attach/{first.pk}")

    def names(query: str) -> list[str]:
        return [archive["name"] for archive in client.get(f"/v1/archives/?{query}").json()]

    assert names("") == ["Two", "One"]
    assert names("order=asc") == ["One", "Two"]
    assert names("name=Two") == ["Two"]
    assert names(f"agent_id={agent.pk}") == ["One"]
    assert names(f"after={second.pk}") == ["One"]
    assert names("limit=1") == ["Two"]


def test_delete_archive_hides_it_and_its_passages(client, agent, memory):
    passage = make_passage(agent)

    reply = client.delete(f"/v1/archives/{passage.archive_id}")

    assert (reply.status_code, reply.content) == (204, b"")
    assert client.get(f"/v1/archives/{passage.archive_id}").status_code == 404
    assert client.get(memory).json() == []
    assert client.post("/v1/passages/search", {}).json() == []
    # The next passage goes to a new archive.
    assert client.post(memory, {"text": "again"}).status_code == 200
    assert texts(client.get(memory)) == ["again"]


def test_attach_second_archive_is_409(client, alice, agent):
    make_passage(agent)
    other = make_archive(alice)

    reply = client.patch(f"/v1/agents/{agent.pk}/archives/attach/{other.pk}")

    assert reply.status_code == 409
    assert agent.archive_links.get().archive_id in reply.json()["detail"]


def test_attach_and_detach_change_nothing_when_repeated(client, alice, agent):
    archive = make_archive(alice)
    attach, detach = (
        f"/v1/agents/{agent.pk}/archives/{verb}/{archive.pk}" for verb in ("attach", "detach")
    )

    for path in (attach, attach):
        assert client.patch(path).json() is None
    assert AgentArchive.objects.get().archive_id == archive.pk
    for path in (detach, detach):
        assert client.patch(path).json() is None
    assert not AgentArchive.objects.exists()


def test_agents_share_an_attached_archive(client, alice, agent, memory):
    other = make_agent(alice)
    passage = make_passage(agent, "shared")
    client.patch(f"/v1/agents/{other.pk}/archives/attach/{passage.archive_id}")

    assert texts(client.get(f"/v1/agents/{other.pk}/archival-memory")) == ["shared"]


def test_first_passage_of_agent_creates_its_archive(client, alice, agent, memory):
    [passage] = client.post(memory, {"text": "The sky is blue", "tags": ["t1"]}).json()

    archive = Archive.objects.get()
    assert (archive.name, archive.embedding) == ("Concierge's Archive", EMBEDDING)
    assert AgentArchive.objects.get().is_owner
    assert passage == {
        "id": Passage.objects.get().pk,
        "organization_id": alice.organization_id,
        "archive_id": archive.pk,
        "text": "The sky is blue",
        "tags": ["t1"],
        "metadata": {},
        "created_at": passage["created_at"],
        "updated_at": passage["updated_at"],
        "created_by_id": alice.pk,
        "last_updated_by_id": alice.pk,
        "is_deleted": False,
        "source_id": None,
        "file_id": None,
        "file_name": None,
        "embedding": None,
        "embedding_config": passage["embedding_config"],
    }
    client.post(memory, {"text": "second"})
    assert Archive.objects.count() == 1


def test_passage_takes_time_tags_and_metadata(client, alice):
    archive = make_archive(alice)

    reply = client.post(
        f"/v1/archives/{archive.pk}/passages",
        {
            "text": "Dated",
            "created_at": "2020-05-05T00:00:00Z",
            "tags": ["a", "a", "b"],
            "metadata": {"page": 3},
        },
    )

    assert reply.json()["created_at"] == "2020-05-05T00:00:00Z"
    assert reply.json()["tags"] == ["a", "b"]
    assert reply.json()["metadata"] == {"page": 3}


def test_batch_stores_all_passages_or_none(client, alice):
    path = f"/v1/archives/{make_archive(alice).pk}/passages/batch"

    refused = client.post(path, {"passages": [{"text": "one"}, {"text": 2}]})

    assert refused.status_code == 422
    assert refused.json()["detail"] == "passages.1.text: expected a string, got 2"
    assert not Passage.objects.exists()
    reply = client.post(path, {"passages": [{"text": "one"}, {"text": "two", "tags": ["t"]}]})
    assert texts(reply) == ["one", "two"]
    assert Passage.objects.count() == 2


def test_passage_beyond_the_maximum_is_422(client, memory):
    reply = client.post(memory, {"text": "x" * (Passage.MAX_LENGTH + 1)})

    assert reply.status_code == 422
    assert not Passage.objects.exists()


def test_delete_passage_of_archive(client, agent):
    passage = make_passage(agent)
    path = f"/v1/archives/{passage.archive_id}/passages/{passage.pk}"

    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 404


def test_delete_passage_of_agent_confirms_in_v1_words(client, agent, memory):
    passage = make_passage(agent)

    reply = client.delete(f"{memory}/{passage.pk}")

    assert reply.json() == {"message": f"Memory id={passage.pk} successfully deleted"}
    again = client.delete(f"{memory}/{passage.pk}")
    assert again.status_code == 404
    assert again.json() == {"detail": f"Passage with id {passage.pk} not found in database."}


def test_passage_of_other_agent_is_404(client, alice, memory):
    passage = make_passage(make_agent(alice))

    assert client.delete(f"{memory}/{passage.pk}").status_code == 404


def test_list_passages_orders_pages_and_filters(client, agent, memory):
    first = make_passage(agent, "The harbor freezes.", tags=["sea", "ice"])
    second = make_passage(agent, "A book, 100% dry.", tags=["book"])
    third = make_passage(agent, "Tides", tags=["sea"])

    assert texts(client.get(memory)) == [first.text, second.text, third.text]
    assert texts(client.get(f"{memory}?ascending=false&limit=1")) == ["Tides"]
    assert texts(client.get(f"{memory}?order=desc&limit=1")) == ["Tides"]
    assert texts(client.get(f"{memory}?after={first.pk}")) == [second.text, third.text]
    assert texts(client.get(f"{memory}?before={third.pk}&limit=1")) == [second.text]
    assert texts(client.get(f"{memory}?search=ARBOR")) == [first.text]
    assert texts(client.get(f"{memory}?search=100%25")) == [second.text]
    assert texts(client.get(f"{memory}?tags=sea&tags=ice")) == [first.text, third.text]
    assert texts(client.get(f"{memory}?tags=sea&tags=ice&tag_match_mode=all")) == [first.text]


def test_vectors_are_listed_on_request(client, memory, model):
    [created] = client.post(memory, {"text": "sea"}).json()

    assert created["embedding"] == pytest.approx(vector_of("sea"), abs=1e-6)
    [listed] = client.get(memory).json()
    assert listed["embedding"] is None
    [listed] = client.get(f"{memory}?include_embedding=true").json()
    assert listed["embedding"] == pytest.approx(vector_of("sea"), abs=1e-6)


def test_search_without_embedding_model_is_by_words(client, alice):
    agent = make_agent(alice)
    make_passage(agent, "The harbor freezes in March.")
    make_passage(agent, "A book about wind.")
    path = f"/v1/agents/{agent.pk}/archival-memory/search"

    assert found(client.get(f"{path}?query=harbor")) == ["The harbor freezes in March."]
    assert found(client.get(f"{path}?query=WIND book")) == ["A book about wind."]
    assert found(client.get(f"{path}?query=")) == []
    assert found(client.get(f"{path}?query=zebra")) == []


def test_search_with_embedding_model_is_by_meaning_too(client, memory, model):
    for text in ("The harbor freezes in March.", "A novel about wind.", "Coffee at nine."):
        client.post(memory, {"text": text})

    assert found(client.get(f"{memory}/search?query=frozen port&top_k=1")) == [
        "The harbor freezes in March."
    ]
    assert found(client.get(f"{memory}/search?query=library"))[0] == "A novel about wind."
    # Words and meaning agree on the first one.
    assert found(client.get(f"{memory}/search?query=coffee"))[0] == "Coffee at nine."


def test_search_falls_back_to_words_when_provider_fails(client, memory, model):
    client.post(memory, {"text": "The harbor freezes in March."})
    model.embeddings_fail = 500

    assert found(client.get(f"{memory}/search?query=harbor")) == ["The harbor freezes in March."]
    assert found(client.get(f"{memory}/search?query=frozen port")) == []


def test_passage_is_stored_when_provider_fails(client, memory, model):
    model.embeddings_fail = 500

    [passage] = client.post(memory, {"text": "sea"}).json()

    assert passage["embedding"] is None
    stored = Passage.objects.get()
    assert (stored.embed_attempts, stored.embed_at is None) == (1, False)
    assert claim_pending([EMBEDDING]) == []  # Not before the delay is over.


def test_search_filters_by_tags_and_times(client, agent, memory):
    make_passage(agent, "a fact", tags=["sea", "ice"], created_at="2020-05-05T12:00:00Z")
    make_passage(agent, "another fact", tags=["sea"], created_at="2021-01-01T12:00:00Z")

    def search(query: str) -> list[str]:
        return sorted(found(client.get(f"{memory}/search?query=fact&{query}")))

    assert search("") == ["a fact", "another fact"]
    assert search("tags=ice&tags=none") == ["a fact"]
    assert search("tags=sea&tags=ice&tag_match_mode=all") == ["a fact"]
    assert search("tags=sea&tags=none&tag_match_mode=all") == []
    assert search("start_datetime=2020-01-01&end_datetime=2020-12-31") == ["a fact"]
    assert search("start_datetime=2020-06-01") == ["another fact"]
    # A day counts to its end.
    assert search("end_datetime=2021-01-01") == ["a fact", "another fact"]
    assert search("end_datetime=2021-01-01T00:00") == ["a fact"]


@pytest.mark.parametrize(
    "query",
    ["query=x&start_datetime=yesterday", "query=x&top_k=0", "query=x&tag_match_mode=no", "top_k=1"],
)
def test_invalid_search_is_422(client, agent, memory, query):
    make_passage(agent)

    assert client.get(f"{memory}/search?{query}").status_code == 422


def test_search_times_are_in_the_time_zone_of_the_agent(client, alice):
    agent = make_agent(alice, timezone="Asia/Tokyo")
    make_passage(agent, "late", created_at="2026-01-01T16:00:00Z")
    path = f"/v1/agents/{agent.pk}/archival-memory/search?query=late"

    [result] = client.get(path).json()["results"]

    assert result["timestamp"] == "2026-01-02T01:00:00+09:00"
    assert found(client.get(f"{path}&start_datetime=2026-01-02")) == ["late"]
    assert found(client.get(f"{path}&end_datetime=2026-01-01")) == []


def test_passage_search_covers_agent_archive_or_organization(client, alice, agent):
    archive = make_archive(alice)
    make_passage(agent, "wind at sea", tags=["sea"])
    make_passage(archive, "a book about wind", tags=["book"])

    def search(**body) -> list[str]:
        reply = client.post("/v1/passages/search", body)
        assert reply.status_code == 200, reply.content
        return sorted(result["passage"]["text"] for result in reply.json())

    assert search(query="wind") == ["a book about wind", "wind at sea"]
    assert search(query="wind", agent_id=agent.pk) == ["wind at sea"]
    assert search(query="wind", archive_id=archive.pk) == ["a book about wind"]
    assert search(query="wind", archive_id=archive.pk, agent_id=agent.pk) == []
    assert search(agent_id=agent.pk, tags=["book"]) == []
    assert search(tags=["book"]) == ["a book about wind"]
    assert search(query="wind", limit=1) != []
    assert search(query="wind", start_date="2100-01-01") == []


def test_passage_search_ranks_results(client, alice, model):
    archive = make_archive(alice, embedding=EMBEDDING)
    path = f"/v1/archives/{archive.pk}/passages/batch"
    client.post(path, {"passages": [{"text": "Coffee"}, {"text": "The port is frozen"}]})

    reply = client.post("/v1/passages/search", {"query": "winter sea", "archive_id": archive.pk})

    best, *_ = reply.json()
    assert best["passage"]["text"] == "The port is frozen"
    scores = [result["score"] for result in reply.json()]
    assert scores == sorted(scores, reverse=True)


def test_agent_without_archive_has_no_passages(client, agent, memory):
    assert client.get(memory).json() == []
    assert found(client.get(f"{memory}/search?query=x")) == []
    assert client.post("/v1/passages/search", {"agent_id": agent.pk}).json() == []


def test_unknown_cursor_is_404(client, memory):
    assert client.get(f"{memory}?after={new_id('passage')}").status_code == 404


def test_embedding_models_are_those_of_the_providers(client, model):
    [found] = client.get("/v1/models/embedding").json()

    assert (found["handle"], found["embedding_dim"]) == (EMBEDDING, 1536)
    assert found["model_type"] == "embedding"


def test_without_provider_no_embedding_model_is_listed(client):
    assert client.get("/v1/models/embedding").json() == []


@pytest.mark.parametrize("count", [1, 20])
def test_query_count_does_not_grow_with_passages(
    client, agent, memory, django_assert_num_queries, is_postgres, count
):
    for number in range(count):
        make_passage(agent, f"sea {number}", tags=["t"])

    with django_assert_num_queries(4):
        client.get(memory)
    with django_assert_num_queries(6 if is_postgres else 5):
        client.get(f"{memory}/search?query=sea")
