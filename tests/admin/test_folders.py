"""Folders and files in the console."""

from django.core.files.uploadedfile import SimpleUploadedFile

from conversations.domain.folders.folders import attach_folder
from conversations.models import AgentFile, Archive, File, Folder, Passage

from ..factories import actor, make_agent, make_file, make_folder
from .pages import add_url, change_url, list_url, open_form, save_form


def test_folder_is_created_with_its_embedding_model(alice, root, browser_of, model):
    fields = {
        "organization": alice.organization_id,
        "name": "papers",
        "instructions": "Read them.",
        "embedding": "openai/text-embedding-3-small",
        "metadata": "",
    }

    browser_of(root).post(add_url(Folder), fields)

    folder = Folder.objects.select_related("archive").get()
    assert (folder.name, folder.instructions) == ("papers", "Read them.")
    assert folder.archive.embedding == "openai/text-embedding-3-small"


def test_taken_name_is_shown_as_an_error(alice, root, browser_of):
    make_folder(alice, name="papers")
    folder = make_folder(alice, name="notes")
    browser = browser_of(root)

    reply = browser.post(change_url(folder), open_form(browser, folder) | {"name": "papers"})

    assert "Another folder has the name" in reply.content.decode()
    folder.refresh_from_db()
    assert folder.name == "notes"


def test_folder_is_edited(alice, root, browser_of):
    folder = make_folder(alice)
    browser = browser_of(root)

    save_form(browser, folder, open_form(browser, folder) | {"description": "Old papers"})

    folder.refresh_from_db()
    assert folder.description == "Old papers"


def test_file_is_uploaded_to_the_chosen_folder(alice, root, browser_of):
    folder = make_folder(alice)
    upload = SimpleUploadedFile("ice.md", b"The harbor froze.", content_type="text/markdown")

    browser_of(root).post(add_url(File), {"folder": folder.pk, "document": upload})

    file = File.objects.get()
    assert (file.folder_id, file.name, file.size) == (folder.pk, "ice.md", 17)
    assert (file.status, file.media_type) == ("parsing", "text/markdown")


def test_folder_of_other_organization_takes_no_upload(alice, mallory, browser_of):
    folder = make_folder(alice)
    upload = SimpleUploadedFile("ice.md", b"ice")

    browser_of(mallory).post(add_url(File), {"folder": folder.pk, "document": upload})

    assert not File.objects.exists()


def test_page_of_file_shows_its_text_escaped(alice, root, browser_of):
    file = make_file(make_folder(alice), "<b>ice</b>")

    page = browser_of(root).get(change_url(file)).content.decode()

    assert "&lt;b&gt;ice&lt;/b&gt;" in page


def test_deleted_folder_takes_files_and_chunks_with_it(alice, root, browser_of):
    file = make_file(make_folder(alice))

    browser_of(root).post(f"/admin/conversations/folder/{file.folder_id}/delete/", {"post": "yes"})

    for model in (Folder, File, Passage, Archive):
        assert not model.objects.exists()


def test_chunks_and_archives_of_folders_are_on_no_list(alice, root, browser_of):
    make_file(make_folder(alice))
    browser = browser_of(root)

    for model in (Archive, Passage):
        assert browser.get(list_url(model)).context["cl"].result_count == 0


def test_deleted_file_leaves_its_agents(alice, root, browser_of):
    file = make_file(make_folder(alice))
    agent = make_agent(alice)
    attach_folder(agent, file.folder, by=actor(alice))

    browser_of(root).post(f"/admin/conversations/file/{file.pk}/delete/", {"post": "yes"})

    assert not AgentFile.objects.exists()
    assert browser_of(root).get(change_url(agent)).status_code == 200
