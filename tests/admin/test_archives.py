"""Archives and passages in the console."""

from conversations.models import Archive, Passage

from ..factories import make_agent, make_archive, make_passage
from .pages import list_url, open_form, save_form


def test_edited_text_loses_its_vector_until_it_is_embedded(alice, root, browser_of):
    passage = make_passage(make_archive(alice, embedding="openai/text-embedding-3-small"))
    Passage.objects.update(embedding=[1.0], dimensions=1, embed_at=None)
    browser = browser_of(root)

    edited = {"text": "The harbor thaws in April."}
    save_form(browser, passage, open_form(browser, passage) | edited)

    passage.refresh_from_db()
    assert (passage.text, passage.dimensions) == ("The harbor thaws in April.", None)
    assert passage.embed_at is not None


def test_edited_tags_keep_the_vector(alice, root, browser_of):
    passage = make_passage(make_archive(alice))
    Passage.objects.update(embedding=[1.0], dimensions=1)
    browser = browser_of(root)

    save_form(browser, passage, open_form(browser, passage) | {"tags": "sea, ice"})

    passage.refresh_from_db()
    assert (sorted(passage.tags), passage.dimensions) == (["ice", "sea"], 1)


def test_passage_search_is_by_words(alice, root, browser_of):
    archive = make_archive(alice)
    make_passage(archive, "The harbor freezes.")
    make_passage(archive, "Coffee at nine.")

    reply = browser_of(root).get(list_url(Passage), {"q": "coffee"})

    assert [p.text for p in reply.context["cl"].result_list] == ["Coffee at nine."]


def test_archive_is_restored_with_its_passages(alice, root, browser_of):
    agent = make_agent(alice)
    archive = make_passage(agent).archive
    browser = browser_of(root)
    browser.post(f"/admin/conversations/archive/{archive.pk}/delete/", {"post": "yes"})
    assert not Passage.objects.live().exists()

    chosen = {"action": "restore_selected", "_selected_action": [archive.pk], "confirmed": "1"}
    browser.post(f"{list_url(Archive)}?state=deleted", chosen)

    assert Passage.objects.live().of_agent(agent).exists()
