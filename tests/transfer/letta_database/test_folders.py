"""Folders, files and their chunks of a V1 database."""

import json

import pytest

from conversations.domain.memory.prompt import preview_prompt
from conversations.ids import new_id
from conversations.models import AgentFile, Archive, Conversation, File, Folder, Passage

from .v1 import ORGANIZATION

pytestmark = pytest.mark.django_db


def test_folder_with_file_and_chunks_is_imported(v1, import_v1):
    agent = v1.agent(max_files_open=3, per_file_view_window_char_limit=500)
    folder = v1.folder(agent=agent, instructions="Read them.", metadata_={"a": 1})
    name = {"original_file_name": "ice.md", "file_type": "text/markdown", "file_size": 17}
    file = v1.file(folder, "papers/ice.md", "The harbor froze.", **name)
    opened = v1.open_file(agent, folder, file)

    import_v1()

    stored = Folder.objects.select_related("archive").get()
    assert (stored.pk, stored.name, stored.instructions) == (folder, "papers", "Read them.")
    assert (stored.metadata, stored.archive.embedding) == ({"a": 1}, "openai/embedding")
    row = File.objects.defer(None).get()
    assert (row.pk, row.name, row.original_name, row.size) == (file, "ice.md", "ice.md", 17)
    assert (row.status, row.content, row.chunks) == ("parsed", "The harbor froze.", 1)
    chunk = Passage.objects.with_vectors().get()
    assert (chunk.archive_id, chunk.file_id) == (stored.archive_id, file)
    assert (chunk.dimensions, chunk.embed_at) == (3, None)
    link = AgentFile.objects.select_related("agent").get()
    assert (link.pk, link.agent_id, link.is_open) == (opened, agent, True)
    assert (link.agent.max_files_open, link.agent.per_file_view_window_char_limit) == (3, 500)


def test_open_file_is_in_the_imported_prompt(v1, import_v1):
    agent = v1.agent()
    folder = v1.folder(agent=agent)
    v1.open_file(agent, folder, v1.file(folder, "papers/ice.md", "The harbor froze."))

    import_v1()

    conversation = Conversation.objects.select_related("agent").get(is_default=True)
    system = conversation.message_links.get(position=0).message.text
    assert "1: The harbor froze." in system
    assert "The harbor froze." in preview_prompt(conversation).text


def test_second_import_of_folders_changes_nothing(v1, import_v1):
    agent = v1.agent()
    folder = v1.folder(agent=agent, name="a/b")
    for name in ("a/b/x", "y/z", "y_z"):
        v1.open_file(agent, folder, v1.file(folder, name, name), is_open=False)
    import_v1()
    before = list(File.objects.order_by("pk").values_list("pk", "name"))

    import_v1()

    assert list(File.objects.order_by("pk").values_list("pk", "name")) == before
    assert {name for _, name in before} >= {"x", "y_z"}
    assert Folder.objects.get().name == "a_b"
    assert (Archive.objects.count(), Passage.objects.count()) == (1, 3)


def test_later_import_brings_new_files(v1, import_v1):
    agent = v1.agent()
    import_v1()
    folder = v1.folder(agent=agent)
    file = v1.file(folder, "papers/ice.md", "ice")

    import_v1()

    link = AgentFile.objects.select_related("agent").get()
    assert (link.file_id, link.is_open, link.agent.files_version) == (file, False, 1)


def test_file_without_text_is_imported_as_failed(v1, import_v1):
    folder = v1.folder()
    v1.file(folder, "papers/scan.pdf", error_message="no text", processing_status="error")

    import_v1()

    stored = File.objects.get()
    assert (stored.status, stored.error) == ("error", "no text")


def test_folder_of_other_agents_is_out_of_scope(v1, import_v1):
    agent, other = v1.agent(), v1.agent()
    v1.file(v1.folder(agent=agent), "papers/mine.md", "mine")
    v1.file(v1.folder(agent=other, name="theirs"), "theirs/theirs.md", "theirs")

    import_v1("--agent", agent)

    assert [file.name for file in File.objects.all()] == ["mine.md"]
    assert [passage.text for passage in Passage.objects.all()] == ["mine"]


def test_deleted_folder_and_loose_chunk_go_to_sidecar(v1, import_v1, tmp_path):
    folder = v1.folder(name="deleted", is_deleted=True)
    loose = v1.folder(name="loose")
    v1.insert(
        "source_passages",
        id=new_id("passage"),
        organization_id=ORGANIZATION,
        source_id=loose,
        text="loose",
    )
    sidecar = tmp_path / "rest.jsonl"

    import_v1("--sidecar", str(sidecar))

    assert [each.pk for each in Folder.objects.all()] == [loose]
    assert not Passage.objects.exists()
    rows = [json.loads(line) for line in sidecar.read_text().splitlines()]
    assert {(row["table"], row["row"]["id"]) for row in rows} >= {("sources", folder)}
    assert "source_passages" in {row["table"] for row in rows}
