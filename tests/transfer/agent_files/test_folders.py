"""Folders and files of agents in agent files."""

import pytest

from conversations.domain.errors import InvalidValue
from conversations.domain.folders.files import store_text, upload_file
from conversations.domain.folders.folders import attach_folder, create_folder
from conversations.domain.folders.open_files import Opening, close_files, open_files
from conversations.models import AgentFile, File, Folder, Passage

from ...factories import actor, make_agent
from .files import NEWER, changed, export_agent, import_document

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(alice):
    by = actor(alice)
    agent = make_agent(alice)
    folder = create_folder(
        alice.organization, by=by, name="papers", instructions="Read.", metadata={"a": 1}
    )
    attach_folder(agent, folder, by=by)
    for name in ("ice.md", "tea.md"):
        store_text(upload_file(folder, name, name.encode(), by=by).pk, f"about\n{name}\nend")
    close_files(agent)
    open_files(agent, [Opening(agent.file_links.get(file__name="ice.md"), 1, 1)])
    return agent


def test_folders_of_exported_agent_are_imported(alice, agent):
    document = export_agent(agent, by=actor(alice))

    [copy] = import_document(alice, document)

    folder = Folder.objects.of_agent(copy).get()
    assert (folder.name, folder.instructions, folder.metadata) == ("papers_(1)", "Read.", {"a": 1})
    files = File.objects.defer(None).filter(folder=folder).order_by("name")
    assert [(file.name, file.content) for file in files] == [
        ("ice.md", "about\nice.md\nend"),
        ("tea.md", "about\ntea.md\nend"),
    ]
    links = AgentFile.objects.filter(agent=copy).order_by("file__name")
    seen = [(link.is_open, link.start_line, link.end_line) for link in links]
    assert seen == [(True, 1, 2), (False, None, None)]
    assert Passage.objects.filter(file__folder=folder).count() == 2
    conversation = copy.conversations.get(is_default=True)
    assert "2: ice.md" in conversation.message_links.get(position=0).message.text


def test_exported_folder_has_the_fields_that_v1_reads(alice, agent):
    document = export_agent(agent, by=actor(alice))

    [source], [file, _], [exported] = (document[name] for name in ("sources", "files", "agents"))
    assert (source["id"], source["name"]) == ("source-0", "papers")
    assert (file["file_name"], file["source_id"]) == ("papers/ice.md", "source-0")
    assert exported["source_ids"] == ["source-0"]
    [opened, closed] = exported["files_agents"]
    assert (opened["file_id"], opened["is_open"], closed["is_open"]) == (file["id"], True, False)


def test_file_without_text_is_imported_as_failed(alice):
    document = NEWER | {
        "sources": [{"id": "source-0", "name": "papers"}],
        "files": [{"id": "file-0", "source_id": "source-0", "file_name": "papers/scan.pdf"}],
    }

    import_document(alice, changed(document, "agents.0.source_ids", ["source-0"]))

    file = File.objects.get()
    assert (file.name, file.status) == ("scan.pdf", "error")


def test_unknown_source_is_refused(alice):
    document = NEWER | {"files": [{"id": "file-0", "source_id": "source-9"}]}

    with pytest.raises(InvalidValue, match="the id of a source in this file"):
        import_document(alice, document)

    assert not File.objects.exists()
