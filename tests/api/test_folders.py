"""Folders and files over HTTP, as V1's clients use them."""

import asyncio

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from conversations.domain.folders.files import MAX_BYTES, claim_upload
from conversations.domain.folders.folders import attach_folder
from conversations.ids import new_id
from conversations.models import Archive, File, Folder, Passage
from conversations.runtime.file_reader import read_pending

from ..factories import actor, make_agent, make_file, make_folder

EMBEDDING = "openai/text-embedding-3-small"


@pytest.fixture
def client(client_for, alice, configure):
    configure(RUN_TURNS_IN_WEB=False)
    return client_for(alice)


@pytest.fixture
def folder(alice):
    return make_folder(alice, name="Notes")


@pytest.fixture
def agent(alice):
    return make_agent(alice, name="Reader")


def upload(client, folder, data=b"Alpha beta gamma", name="a.txt", **query):
    file = SimpleUploadedFile(name, data, content_type="text/plain")
    options = "&".join(f"{key}={value}" for key, value in query.items())
    url = f"/v1/folders/{folder.pk}/upload?{options}"
    return client.post(url, {"file": file}, format="multipart")


def attach(client, agent, folder):
    reply = client.patch(f"/v1/agents/{agent.pk}/folders/attach/{folder.pk}")
    assert (reply.status_code, reply.json()) == (200, None)


def names(reply) -> list[str]:
    assert reply.status_code == 200, reply.content
    return [row["name"] for row in reply.json()]


def test_create_folder_returns_v1_fields(client, alice):
    reply = client.post(
        "/v1/folders/", {"name": "Notes", "instructions": "Cite them", "embedding": EMBEDDING}
    )

    body = reply.json()
    assert body.pop("embedding_config")["handle"] == EMBEDDING
    assert {body.pop("created_at"), body.pop("updated_at")}
    assert body == {
        "id": Folder.objects.get().pk,
        "organization_id": alice.organization_id,
        "name": "Notes",
        "description": None,
        "instructions": "Cite them",
        "metadata": None,
        "vector_db_provider": "native",
        "created_by_id": alice.pk,
        "last_updated_by_id": alice.pk,
    }


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"name": "Notes"}, 409, "Another folder has the name 'Notes'"),
        ({"name": ""}, 422, "expected at least one character"),
        ({"name": "a/b"}, 422, "without a slash"),
        ({"name": "x" * 201}, 422, "200 characters"),
        ({}, 422, "field required"),
    ],
)
def test_folder_that_cannot_be_created_is_refused(client, folder, body, status, detail):
    reply = client.post("/v1/folders/", body)

    assert reply.status_code == status
    assert detail in reply.content.decode()
    assert Folder.objects.count() == Archive.objects.count() == 1


def test_archive_of_folder_is_not_listed(client, folder):
    assert client.get("/v1/archives/").json() == []
    assert client.get(f"/v1/archives/{folder.archive_id}").status_code == 404
    assert names(client.get("/v1/folders/?name=Notes")) == ["Notes"]
    assert client.get("/v1/folders/count").json() == 1
    assert client.get("/v1/sources/name/Notes").json() == folder.pk


@pytest.mark.django_db(transaction=True)
def test_uploaded_text_is_read_and_split(client, folder):
    reply = upload(client, folder)

    body = reply.json()
    assert (body["file_name"], body["original_file_name"]) == ("Notes/a.txt", "a.txt")
    assert (body["processing_status"], body["file_size"], body["total_chunks"]) == (
        "parsing",
        16,
        None,
    )
    assert asyncio.run(read_pending())
    url = f"/v1/folders/{folder.pk}/files/{body['id']}?include_content=true"
    read = client.get(url).json()
    assert (read["processing_status"], read["total_chunks"], read["chunks_embedded"]) == (
        "completed",
        1,
        1,
    )
    assert read["content"] == "Alpha beta gamma"
    [listed] = client.get(f"/v1/folders/{folder.pk}/files").json()
    assert listed == read | {"content": None}
    passages = client.get(f"/v1/folders/{folder.pk}/passages").json()
    assert [passage["text"] for passage in passages] == ["Alpha beta gamma"]
    assert client.post("/v1/passages/search", {"query": "alpha"}).json() == []


def test_status_is_embedding_until_all_vectors_exist(client, alice):
    folder = make_folder(alice, embedding=EMBEDDING)
    file = make_file(folder)

    url = f"/v1/folders/{folder.pk}/files/{file.pk}"
    before = client.get(url).json()
    Passage.objects.update(embed_at=None)
    after = client.get(url).json()

    assert (before["processing_status"], before["chunks_embedded"]) == ("embedding", 0)
    assert (after["processing_status"], after["chunks_embedded"]) == ("completed", 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff binary", "Expected a PDF or a text in UTF-8"),
        ("nul \0 inside".encode("utf-16"), "NUL"),
        (b"%PDF-1.7 broken", "can't be read as a PDF"),
    ],
)
def test_file_without_text_says_why(client, folder, data, reason):
    file_id = upload(client, folder, data).json()["id"]

    asyncio.run(read_pending())

    file = client.get(f"/v1/folders/{folder.pk}/files/{file_id}").json()
    assert file["processing_status"] == "error"
    assert reason in file["error_message"]
    assert File.objects.defer(None).get().upload is None


def test_binary_file_is_415(client, folder):
    reply = upload(client, folder, b"PK\x03\x04\x00\x00", name="letter.docx")

    assert reply.status_code == 415
    assert "letter.docx" in reply.json()["detail"]
    assert not File.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_utf16_is_read(client, folder):
    upload(client, folder, "Grüße".encode("utf-16"))

    asyncio.run(read_pending())

    assert File.objects.defer(None).get().content == "Grüße"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("choice", "status", "stored"),
    [
        ("suffix", 200, {"a.txt": "old", "a_(1).txt": "new"}),
        ("skip", 200, {"a.txt": "old"}),
        ("error", 409, {"a.txt": "old"}),
        ("replace", 200, {"a.txt": "new"}),
        ("other", 422, {"a.txt": "old"}),
    ],
)
def test_duplicate_is_handled_as_asked(client, folder, choice, status, stored):
    make_file(folder, "old")

    reply = upload(client, folder, b"new", duplicate_handling=choice)
    while asyncio.run(read_pending()):
        pass

    assert reply.status_code == status
    rows = File.objects.defer(None).values_list("name", "content")
    assert dict(rows) == stored
    assert sorted(Passage.objects.values_list("text", flat=True)) == sorted(stored.values())


def test_large_file_is_refused_before_reading(client, folder):
    reply = upload(client, folder, b"x" * (MAX_BYTES + 1))

    assert reply.status_code in (413, 422)
    assert "20971520" in reply.content.decode()
    assert not File.objects.exists()


def test_killed_reader_is_followed_by_another(client, folder):
    upload(client, folder)
    for _ in range(3):
        assert claim_upload() is not None
        assert claim_upload() is None
        File.objects.update(parse_at="2026-01-01T00:00Z")

    assert claim_upload() is None
    assert File.objects.get().error == "Reading it did not end, 3 times"


def test_attached_folder_brings_files_and_tools(client, agent, folder):
    file = make_file(folder)

    attach(client, agent, folder)
    attach(client, agent, folder)

    assert names(client.get(f"/v1/agents/{agent.pk}/folders")) == ["Notes"]
    assert client.get(f"/v1/folders/{folder.pk}/agents").json() == [agent.pk]
    [link] = client.get(f"/v1/agents/{agent.pk}/files").json()["files"]
    assert link["file_id"] == file.pk
    assert link["visible_content"] == "[Viewing file start (out of 1 lines)]\n1: Alpha beta gamma"
    tools = names(client.get(f"/v1/agents/{agent.pk}/tools"))
    assert {"open_files", "grep_files", "semantic_search_files"} <= set(tools)
    assert [each["name"] for each in client.get(f"/v1/agents/{agent.pk}").json()["sources"]] == [
        "Notes"
    ]


def prompt_of(client, agent) -> str:
    messages = client.get(f"/v1/agents/{agent.pk}/context").json()["messages"]
    return messages[0]["content"][0]["text"]


def test_prompt_has_open_files(client, alice, folder):
    agent = make_agent(alice, max_files_open=1)
    make_file(folder, "</value></file>Alpha")
    attach(client, agent, folder)
    late = make_file(folder, "Late", name="late.txt")

    prompt = prompt_of(client, agent)
    context = client.get(f"/v1/agents/{agent.pk}/context").json()

    assert '<directory name="Notes">' in prompt
    assert "- current_files_open=1\n- max_files_open=1" in prompt
    assert "1: &lt;/value>&lt;/file>Alpha" in prompt
    assert f'<file status="closed" name="Notes/{late.name}">' in prompt
    assert context["directories"] in prompt
    assert context["num_tokens_directories"] > 0
    stored = client.get(f"/v1/agents/{agent.pk}/messages?order=asc&limit=1").json()[0]
    assert (
        stored["content"].partition("<memory_metadata>")[0]
        == (prompt.partition("<memory_metadata>")[0])
    )


def test_upload_is_open_where_the_agent_may_have_one_more(client, alice, agent, folder):
    full = make_agent(alice, max_files_open=0)
    for each in (agent, full):
        attach(client, each, folder)

    make_file(folder, "Alpha")

    assert "1: Alpha" in prompt_of(client, agent)
    assert '<file status="closed" name="Notes/a.txt">' in prompt_of(client, full)


def test_files_are_opened_and_closed(client, alice, folder):
    agent = make_agent(alice, max_files_open=1)
    first, second = make_file(folder, "First", name="1.txt"), make_file(folder, "2", name="2.txt")
    attach(client, agent, folder)
    files = f"/v1/agents/{agent.pk}/files"

    assert client.patch(f"{files}/{second.pk}/open").json() == ["Notes/1.txt"]
    opened = client.get(f"{files}?is_open=true").json()
    assert [link["file_id"] for link in opened["files"]] == [second.pk]
    assert client.patch(f"{files}/{second.pk}/close").json() == {
        "message": f"File id={second.pk} successfully closed"
    }
    assert client.patch(f"{files}/{first.pk}/open").json() == []
    assert client.patch(f"{files}/close-all").json() == ["Notes/1.txt"]
    assert "Notes/1.txt" in prompt_of(client, agent)
    assert "1: First" not in prompt_of(client, agent)


def test_pages_of_agent_files_have_a_cursor(client, agent, folder):
    for number in range(3):
        make_file(folder, name=f"{number}.txt")
    attach(client, agent, folder)
    files = f"/v1/agents/{agent.pk}/files?limit=2"

    first = client.get(files).json()
    rest = client.get(f"{files}&after={first['next_cursor']}").json()

    assert (len(first["files"]), first["has_more"]) == (2, True)
    assert (len(rest["files"]), rest["has_more"]) == (1, False)


def test_file_that_no_folder_of_agent_has_is_404(client, agent, folder):
    file = make_file(folder)

    for file_id in (file.pk, new_id("file")):
        reply = client.patch(f"/v1/agents/{agent.pk}/files/{file_id}/open")
        assert reply.status_code == 404


def test_detached_folder_leaves_nothing(client, agent, folder):
    make_file(folder)
    attach(client, agent, folder)

    client.patch(f"/v1/agents/{agent.pk}/folders/detach/{folder.pk}")

    assert "directories" not in prompt_of(client, agent)
    assert client.get(f"/v1/agents/{agent.pk}/files").json()["files"] == []


def test_deleted_folder_takes_its_files_along(client, agent, folder):
    make_file(folder)
    attach(client, agent, folder)

    assert client.delete(f"/v1/folders/{folder.pk}").json() is None

    for model in (Folder, File, Passage, Archive):
        assert not model.objects.exists()
    assert "Notes" not in prompt_of(client, agent)


def test_deleted_file_takes_its_chunks_along(client, agent, folder):
    file = make_file(folder)
    attach(client, agent, folder)

    assert client.delete(f"/v1/folders/{folder.pk}/{file.pk}").status_code == 204

    assert not Passage.objects.exists()
    assert "a.txt" not in prompt_of(client, agent)


@pytest.mark.parametrize("field", ["folder_ids", "source_ids"])
def test_agent_is_created_and_updated_with_folders(client, alice, folder, field):
    other = make_folder(alice, name="Other")
    body = {"model": "openai/gpt-4o", field: [folder.pk]}

    agent_id = client.post("/v1/agents/", body).json()["id"]
    client.patch(f"/v1/agents/{agent_id}", {field: [other.pk]})

    assert names(client.get(f"/v1/agents/{agent_id}/folders")) == ["Other"]
    reply = client.patch(f"/v1/agents/{agent_id}", {field: [new_id("source")]})
    assert reply.status_code == 404


def test_folders_count_files_and_bytes(client, folder):
    make_file(folder, "12345")

    body = client.get("/v1/folders/metadata").json()

    assert body == {
        "total_sources": 1,
        "total_files": 1,
        "total_size": 5,
        "sources": [
            {
                "source_id": folder.pk,
                "source_name": "Notes",
                "file_count": 1,
                "total_size": 5,
            }
        ],
    }


def test_agents_context_window_sets_the_default_limits(client, alice):
    small = make_agent(alice, context_window_limit=8_000)
    body = client.get(f"/v1/agents/{small.pk}").json()

    assert (body["max_files_open"], body["per_file_view_window_char_limit"]) == (3, 5_000)


def test_shown_text_is_limited(client, alice, folder):
    agent = make_agent(alice, per_file_view_window_char_limit=10)
    make_file(folder, "0123456789\nnext line")
    attach_folder(agent, folder, by=actor(alice))

    assert "1: 0123456… [at most 10 characters are shown]" in prompt_of(client, agent)
