"""Idempotency-Key: the same POST again gets the same response and writes nothing twice."""

import threading

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections
from django.utils import timezone

from conversations.domain.conversations import conversations as verbs
from conversations.models import Agent, Block, Conversation, IdempotencyRecord

from ..factories import make_agent, make_conversation
from ..transfer.agent_files.files import NEWER, changed, encoded

BLOCK = {"label": "human", "value": "likes tea"}
KEY = {"HTTP_IDEMPOTENCY_KEY": "k1"}


@pytest.fixture
def client(client_for, alice):
    return client_for(alice)


def test_same_request_gets_same_response(client):
    first, again = (client.post("/v1/blocks/", BLOCK, **KEY) for _ in range(2))

    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert Block.objects.count() == 1


def test_response_is_stored_encrypted(client):
    client.post("/v1/blocks/", BLOCK, **KEY)

    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM conversations_idempotencyrecord")
        [(stored,)] = cursor.fetchall()

    assert "likes tea" not in stored


def test_replay_keeps_the_etag(client, alice):
    conversation = make_conversation(make_agent(alice))
    path = f"/v1/conversations/{conversation.pk}/fork"

    first, again = (client.post(path, {}, **KEY) for _ in range(2))

    assert first["ETag"] == again["ETag"]
    assert first.json() == again.json()
    assert conversation.forks.count() == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/blocks/", {**BLOCK, "value": "likes coffee"}),
        ("/v1/blocks/?x=1", BLOCK),
        ("/v1/agents/", BLOCK),
    ],
)
def test_different_request_with_same_key_is_rejected(client, path, body):
    client.post("/v1/blocks/", BLOCK, **KEY)

    other = client.post(path, body, **KEY)

    assert other.status_code == 400
    assert "'k1' belongs to an earlier, different request" in other.json()["detail"]
    assert Block.objects.count() == 1
    assert not Agent.objects.exists()


def test_order_of_members_in_body_does_not_matter(client):
    client.post("/v1/blocks/", BLOCK, **KEY)

    again = client.post("/v1/blocks/", dict(reversed(BLOCK.items())), **KEY)

    assert again.status_code == 200
    assert Block.objects.count() == 1


def test_agent_file_is_imported_once(client):
    def send(document):
        form = {"file": SimpleUploadedFile("agent.af", encoded(document))}
        return client.post("/v1/agents/import", form, format="multipart", **KEY)

    first, again = send(NEWER), send(NEWER)
    other = send(changed(NEWER, "agents.0.name", "Other"))

    assert again.json() == first.json()
    assert other.status_code == 400
    assert Agent.objects.count() == 1


def test_key_belongs_to_its_organization(client_for, alice, bob, mallory):
    first, of_colleague, of_stranger = (
        client_for(member).post("/v1/blocks/", BLOCK, **KEY) for member in (alice, bob, mallory)
    )

    assert of_colleague.json() == first.json()
    assert of_stranger.json()["id"] != first.json()["id"]


def test_failed_request_leaves_the_key_to_the_next(client):
    assert client.post("/v1/blocks/", {"label": "human", "value": 1}, **KEY).status_code == 422

    assert client.post("/v1/blocks/", BLOCK, **KEY).status_code == 200


def test_server_error_leaves_nothing_behind(client, alice, monkeypatch):
    agent = make_agent(alice)
    before = Conversation.objects.count()
    path = f"/v1/conversations/?agent_id={agent.pk}"

    def fail(*args, **kwargs):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(verbs, "send_on_commit", fail)
        assert client.post(path, {}, **KEY).status_code == 500

    assert Conversation.objects.count() == before
    assert not IdempotencyRecord.objects.exists()
    assert client.post(path, {}, **KEY).status_code == 200


def test_key_counts_for_24_hours(client):
    first = client.post("/v1/blocks/", BLOCK, **KEY).json()
    past = timezone.now() - IdempotencyRecord.LIFETIME
    IdempotencyRecord.objects.update(created_at=past)

    assert client.post("/v1/blocks/", BLOCK, **KEY).json()["id"] != first["id"]


def test_too_long_key_is_rejected(client):
    refused = client.post("/v1/blocks/", BLOCK, HTTP_IDEMPOTENCY_KEY="k" * 256)

    assert refused.status_code == 422
    assert "at most 255 characters" in refused.json()["detail"]


def test_concurrent_requests_write_once(transactional_db, client_for, alice):
    clients = [client_for(alice) for _ in range(6)]
    barrier, responses = threading.Barrier(6), []

    def work(client):
        barrier.wait()
        responses.append(client.post("/v1/blocks/", BLOCK, **KEY))
        connections.close_all()

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {response.status_code for response in responses} == {200}
    assert len({response.content for response in responses}) == 1
    assert Block.objects.count() == 1
