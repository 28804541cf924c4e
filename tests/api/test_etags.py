"""Conditional requests: a write may name the version it is based on."""

import re

import pytest

from conversations.domain.memory.blocks import write_block
from conversations.models import Conversation

from ..factories import actor, make_agent, make_conversation, make_messages


@pytest.fixture
def client(client_for, alice):
    return client_for(alice)


@pytest.fixture
def conversation(alice):
    return make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])


@pytest.fixture
def shared(conversation):
    return conversation.agent.blocks.get()


@pytest.fixture
def own(conversation):
    return conversation.isolations.get().block


def test_etag_of_block_is_its_version(client, conversation, shared):
    path = f"/v1/agents/{conversation.agent_id}/core-memory/blocks/human"

    read = client.get(f"/v1/blocks/{shared.pk}")
    written = client.patch(f"/v1/blocks/{shared.pk}", {"value": "new"})

    assert (read["ETag"], written["ETag"], client.get(path)["ETag"]) == ('"1"', '"2"', '"2"')


@pytest.mark.parametrize("known", ['"1"', 'W/"1"', '"7", "1"', "*"])
def test_read_with_current_etag_is_304(client, shared, known):
    reply = client.get(f"/v1/blocks/{shared.pk}", headers={"If-None-Match": known})

    assert (reply.status_code, reply.content, reply["ETag"]) == (304, b"", '"1"')
    write_block(shared, by=actor(), value="new")
    if known != "*":
        reply = client.get(f"/v1/blocks/{shared.pk}", headers={"If-None-Match": known})
        assert (reply.status_code, reply.json()["value"]) == (200, "new")


def test_write_with_older_version_is_412_with_current_text(client, shared):
    write_block(shared, by=actor(), value="somebody else's")

    reply = client.patch(f"/v1/blocks/{shared.pk}", {"value": "mine"}, headers={"If-Match": '"1"'})

    assert reply.status_code == 412
    assert reply.json() == {
        "detail": f"Block '{shared.pk}' is at version 2; this write was based on version 1",
        "version": 2,
        "value": "somebody else's",
        "diff": "--- version 1\n+++ version 2\n@@ -1 +1 @@\n-about human\n+somebody else's",
    }
    shared.refresh_from_db()
    assert (shared.value, shared.revisions.count()) == ("somebody else's", 2)


def test_write_without_change_accepts_any_version(client, shared):
    write_block(shared, by=actor(), value="the same")

    reply = client.patch(
        f"/v1/blocks/{shared.pk}", {"value": "the same"}, headers={"If-Match": '"1"'}
    )

    assert (reply.status_code, reply["ETag"]) == (200, '"2"')
    assert shared.revisions.count() == 2


@pytest.mark.parametrize(("headers", "unconditional"), [({}, True), ({"If-Match": '"1"'}, False)])
def test_revision_records_unconditional_writes(client, shared, headers, unconditional):
    client.patch(f"/v1/blocks/{shared.pk}", {"value": "new"}, headers=headers)

    assert shared.revisions.get(number=2).unconditional is unconditional


def test_delete_with_older_version_is_412(client, shared):
    write_block(shared, by=actor(), value="new")

    refused = client.delete(f"/v1/blocks/{shared.pk}", headers={"If-Match": '"1"'})
    accepted = client.delete(f"/v1/blocks/{shared.pk}", headers={"If-Match": '"2"'})

    assert (refused.status_code, accepted.status_code) == (412, 200)


@pytest.mark.parametrize("tag", ["1", 'W/"1"', '"1", "2"', '"abc"', ""])
def test_malformed_etag_is_422(client, shared, tag):
    reply = client.patch(f"/v1/blocks/{shared.pk}", {"value": "x"}, headers={"If-Match": tag})

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith('If-Match: expected one ETag like "3", or *, got')
    assert shared.revisions.count() == 1


# Isolated blocks


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("patch", "", {"value": "mine"}),
        ("delete", "", None),
        ("post", "/promote", {}),
        ("post", "/reset", {}),
        ("post", "/rebase", {}),
        ("post", "/rebase", {"resolution": "resolved"}),
    ],
)
def test_isolated_block_verbs_check_version(client, conversation, shared, own, method, path, body):
    write_block(own, by=actor(), value="meanwhile")
    url = f"/v1/conversations/{conversation.pk}/isolated-blocks/human"
    headers = {"If-Match": '"1"'}

    refused = getattr(client, method)(f"{url}{path}", body, headers=headers)

    assert (refused.status_code, refused.json()["version"]) == (412, 2)
    assert refused.json()["value"] == "meanwhile"
    assert (own.revisions.count(), shared.revisions.count()) == (2, 1)
    # The ETag of the read is accepted.
    headers = {"If-Match": client.get(url)["ETag"]}
    accepted = getattr(client, method)(f"{url}{path}", body, headers=headers)
    assert accepted.status_code == 200


def test_etag_of_isolated_block_changes_with_drift(client, conversation, shared):
    url = f"/v1/conversations/{conversation.pk}/isolated-blocks/human"
    before = client.get(url)
    again = client.get(url, headers={"If-None-Match": before["ETag"]})
    write_block(shared, by=actor(), value="the shared one moves on")

    after = client.get(url, headers={"If-None-Match": before["ETag"]})

    assert re.fullmatch(r'"1-[0-9a-f]{8}"', before["ETag"])
    assert (again.status_code, after.status_code) == (304, 200)
    assert after.json()["drift"] == "shared_changed"


def test_isolate_if_none_match_is_412_when_isolated(client, conversation):
    url = f"/v1/conversations/{conversation.pk}/isolated-blocks/human"

    refused = client.put(url, headers={"If-None-Match": "*"})
    client.delete(url)
    accepted = client.put(url, headers={"If-None-Match": "*"})
    odd = client.put(url, headers={"If-None-Match": '"1"'})

    assert [reply.status_code for reply in (refused, accepted, odd)] == [412, 200, 422]
    assert refused.json()["detail"].endswith("this write was based on its absence")


# Conversations


def test_conversation_update_with_older_version_is_412(client, conversation):
    url = f"/v1/conversations/{conversation.pk}"
    tag = client.get(url)["ETag"]
    client.patch(url, {"summary": "theirs"})

    reply = client.patch(url, {"summary": "mine"}, headers={"If-Match": tag})

    assert reply.status_code == 412
    answer = reply.json()
    assert (answer["version"], answer["value"]["summary"]) == (2, "theirs")
    assert answer["diff"].splitlines()[:2] == ["--- version 2", "+++ this write"]
    assert '- "summary": "theirs",\n+ "summary": "mine",' in answer["diff"]
    deleted = client.delete(url, headers={"If-Match": tag})
    assert deleted.status_code == 412
    assert Conversation.objects.live().get(pk=conversation.pk).summary == "theirs"


def test_new_message_changes_etag(client, conversation):
    url = f"/v1/conversations/{conversation.pk}"
    tag = client.get(url)["ETag"]
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 304

    make_messages(conversation, "hello")

    reply = client.get(url, headers={"If-None-Match": tag})
    assert (reply.status_code, len(reply.json()["in_context_message_ids"])) == (200, 2)
    # The older tag still allows an edit, because a message does not change the version.
    assert client.patch(url, {"summary": "s"}, headers={"If-Match": tag}).status_code == 200


def test_update_without_change_keeps_version(client, conversation):
    url = f"/v1/conversations/{conversation.pk}"
    client.patch(url, {"summary": "s"})

    reply = client.patch(url, {"summary": "s"}, headers={"If-Match": '"1"'})

    assert (reply.status_code, reply.json()["version"]) == (200, 2)


# Other writes that check preconditions


@pytest.mark.parametrize(("verb", "body"), [("undo", {}), ("redo", {}), ("restore", {"number": 1})])
def test_undo_redo_and_restore_check_version(client, shared, verb, body):
    for value in ("b", "c"):
        write_block(shared, by=actor(), value=value)
    client.post(f"/v1/blocks/{shared.pk}/undo")
    url = f"/v1/blocks/{shared.pk}/{verb}"

    refused = client.post(url, body, headers={"If-Match": '"3"'})
    accepted = client.post(url, body, headers={"If-Match": '"4"'})

    assert (refused.status_code, refused.json()["version"]) == (412, 4)
    assert (accepted.status_code, accepted["ETag"]) == (200, '"5"')


@pytest.mark.parametrize("verb", ["promote", "rebase", "reset"])
def test_dry_run_checks_version(client, conversation, own, verb):
    write_block(own, by=actor(), value="meanwhile")
    url = f"/v1/conversations/{conversation.pk}/isolated-blocks/human/{verb}"

    reply = client.post(url, {"dry_run": True}, headers={"If-Match": '"1"'})

    assert reply.status_code == 412


def test_reset_without_change_accepts_any_version(client, conversation):
    url = f"/v1/conversations/{conversation.pk}/isolated-blocks/human/reset"

    assert client.post(url, headers={"If-Match": '"9"'}).status_code == 200


def test_isolate_rejects_if_match(client, conversation):
    url = f"/v1/conversations/{conversation.pk}/isolated-blocks/human"

    reply = client.put(url, headers={"If-Match": '"77"'})

    assert reply.status_code == 422
    assert reply.json()["detail"].startswith("If-Match: this request creates a row")


def test_release_returns_shared_block_without_etag(client, conversation):
    reply = client.delete(f"/v1/conversations/{conversation.pk}/isolated-blocks/human")

    assert reply.json()["origin"] == "shared"
    assert not reply.has_header("ETag")


@pytest.mark.parametrize(
    ("method", "ending"),
    [
        *(("get", ""), ("put", ""), ("patch", ""), ("delete", ""), ("get", "/diff")),
        *(("post", "/reset"), ("post", "/rebase"), ("post", "/promote"), ("post", "/restore")),
    ],
)
def test_label_with_nul_is_client_error(client, conversation, method, ending):
    url = f"/v1/conversations/{conversation.pk}/isolated-blocks/a%00b{ending}"

    reply = getattr(client, method)(url, None if method in ("get", "delete") else {})

    assert reply.status_code in (400, 404)
    bulk = client.post(f"/v1/agents/{conversation.agent_id}/isolated-blocks/a%00b/reset")
    assert bulk.status_code == 400
    assert (
        client.get(f"{url.partition('/isolated')[0]}/isolated-blocks/a%00b/released").json() == []
    )
