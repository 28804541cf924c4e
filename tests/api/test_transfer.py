"""Agent files over HTTP."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from conversations.api.views import transfer
from conversations.models import Agent

from ..factories import make_agent, make_conversation, make_messages
from ..transfer.agent_files.files import NEWER, changed, encoded, snapshot
from .stored_rows import stored


def upload(client, document, **fields):
    data = document if isinstance(document, bytes) else encoded(document)
    form = {"file": SimpleUploadedFile("agent.af", data), **fields}
    return client.post("/v1/agents/import", form, format="multipart")


def test_agent_round_trips_into_another_organization(client_for, alice, mallory):
    agent = make_agent(alice, labels=["human"])
    make_messages(make_conversation(agent, isolated=["human"]), "hello")

    exported = client_for(alice).get(f"/v1/agents/{agent.pk}/export?include_revisions=true")
    reply = upload(client_for(mallory), exported.content, append_copy_suffix="false")

    assert exported.headers["Content-Type"] == "application/json"
    [agent_id] = reply.json()["agent_ids"]
    imported = Agent.objects.get(pk=agent_id)
    assert snapshot(imported, revisions=True) == snapshot(agent, revisions=True)
    assert imported.organization_id == mallory.organization_id


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "Newer_copy"),
        ({"append_copy_suffix": "false"}, "Newer"),
        ({"name": "Other"}, "Other"),
        ({"override_name": "Older spelling"}, "Older spelling"),
    ],
)
def test_import_names_agent(client_for, alice, fields, name):
    upload(client_for(alice), NEWER, **fields)

    assert Agent.objects.get().name == name


def test_import_options_replace_values_of_file(client_for, alice):
    client = client_for(alice)
    client.credentials(**client._credentials, HTTP_X_OVERRIDE_EMBEDDING_MODEL="openai/e2")

    upload(client, NEWER, model="scripted/demo", strip_messages="true", secrets="{}")

    agent = Agent.objects.get()
    assert (agent.model, agent.embedding) == ("scripted/demo", "openai/e2")
    assert agent.messages.count() == 1


def test_import_with_unknown_model_is_rejected(client_for, alice):
    reply = upload(client_for(alice), NEWER, model="nothing")

    assert reply.status_code == 400
    assert "provider/model-name, got 'nothing'" in reply.json()["detail"]
    assert not Agent.objects.exists()


@pytest.mark.parametrize(
    ("document", "status", "detail"),
    [
        (b"{", 400, "Expected JSON"),
        (changed(NEWER, "blocks.0.label", 7), 422, "blocks.0.label: expected a string, got 7"),
    ],
)
def test_invalid_file_changes_nothing(client_for, alice, document, status, detail):
    before = stored()

    reply = upload(client_for(alice), document)

    assert reply.status_code == status
    assert detail in reply.json()["detail"]
    assert stored() == before


def test_form_without_file_is_rejected(client_for, alice):
    reply = client_for(alice).post("/v1/agents/import", {"name": "x"}, format="multipart")

    assert (reply.status_code, reply.json()["detail"]) == (422, "file: No file was submitted.")


def test_file_of_200_megabytes_is_rejected_unread(client_for, alice):
    reply = client_for(alice).post(
        "/v1/agents/import",
        b"--x--",
        content_type="multipart/form-data; boundary=x",
        headers={"content-length": str(200 * 2**20)},
    )

    assert reply.status_code == 413
    assert reply.json()["detail"] == "file: expected at most 67108864 bytes (64 MiB)"
    assert transfer.MAX_BYTES == 64 * 2**20


def test_json_body_is_rejected(client_for, alice):
    reply = client_for(alice).post("/v1/agents/import", NEWER, format="json")

    assert reply.status_code == 415


def test_export_in_older_format_is_rejected(client_for, alice):
    agent = make_agent(alice)

    reply = client_for(alice).get(f"/v1/agents/{agent.pk}/export?use_legacy_format=true")

    assert reply.status_code == 400
    assert "the older format has no conversations" in reply.json()["detail"]


def test_export_of_conversation_of_other_agent_is_rejected(client_for, alice):
    agent, other = make_agent(alice), make_agent(alice)
    conversation = make_conversation(other)

    path = f"/v1/agents/{agent.pk}/export?conversation_id={conversation.pk}"

    assert client_for(alice).get(path).status_code == 404


def test_export_without_messages_is_a_template(client_for, alice):
    agent = make_agent(alice, labels=["human"])
    make_messages(make_conversation(agent), "secret")

    reply = client_for(alice).get(f"/v1/agents/{agent.pk}/export?scrub_messages=true")

    assert "secret" not in reply.content.decode()
    assert json.loads(reply.content)["conversations"] == []


@pytest.mark.parametrize("count", [1, 5])
def test_export_query_count_does_not_grow(client_for, alice, django_assert_num_queries, count):
    agent = make_agent(alice, labels=["human"])
    for _ in range(count):
        make_messages(make_conversation(agent, isolated=["human"]), "hello")
    client = client_for(alice)
    client.get(f"/v1/agents/{agent.pk}")

    # The key, the agent, the audit log; in a snapshot: the agent, its blocks, tools, conversations,
    # isolated blocks, messages, revisions, variables, folders, the size of files, open files.
    with django_assert_num_queries(14):
        reply = client.get(f"/v1/agents/{agent.pk}/export?include_revisions=true")

    assert len(json.loads(reply.content)["conversations"]) == count + 1
