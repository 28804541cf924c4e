import pytest

from conversations.domain.actor import Source
from conversations.domain.memory.blocks import write_block
from conversations.models import Block

from ..factories import actor, make_agent, make_block, make_conversation, make_run
from .pages import add_url, change_url, fields_of, list_url, messages_of, open_form, save_form


def test_edit_writes_admin_revision(alice, bob, browser_of):
    block = make_block(alice, value="Ada")
    browser = browser_of(bob)
    data = open_form(browser, block)

    save_form(browser, block, {**data, "value": "Ada, in Lisbon"})

    newest = block.revisions.first()
    assert (newest.number, newest.value) == (2, "Ada, in Lisbon")
    assert (newest.source, newest.written_by, newest.unconditional) == ("admin", bob, False)


def test_save_without_edit_writes_no_revision(alice, browser_of):
    # A browser sends CR LF, and drops the first line end of a textarea.
    block = make_block(alice, value="\n one\ntwo \n", description="a\nb", tags=["x, y"])
    browser = browser_of(alice)

    response = save_form(browser, block, open_form(browser, block))

    assert response.redirect_chain
    block.refresh_from_db()
    assert (block.version, block.value, block.tags) == (1, "\n one\ntwo \n", ["x, y"])


def test_stale_save_is_rejected_and_keeps_typed_text(alice, bob, browser_of):
    block = make_block(alice, value="one")
    browser = browser_of(bob)
    data = open_form(browser, block)
    write_block(block, by=actor(alice), value="two, by <b>alice</b>")

    response = save_form(browser, block, {**data, "value": "three, by bob"})

    assert response.status_code == 200
    assert not response.redirect_chain
    assert response.context["adminform"].form["value"].value() == "three, by bob"
    assert "version 2" in response.context["adminform"].form.errors["value"][0]
    assert "two, by &lt;b&gt;alice&lt;/b&gt;" in response.content.decode()
    block.refresh_from_db()
    assert (block.value, block.version) == ("two, by <b>alice</b>", 2)


def test_second_save_after_conflict_replaces_text(alice, bob, browser_of):
    block = make_block(alice, value="one")
    browser = browser_of(bob)
    data = open_form(browser, block)
    write_block(block, by=actor(alice), value="two")
    refused = browser.post(change_url(block), {**data, "value": "three"})
    version = refused.context["adminform"].form["version"].value()

    save_form(browser, block, {**data, "value": "three", "version": version})

    assert list(block.revisions.values_list("value", flat=True)) == ["three", "two", "one"]


def test_second_save_keeps_text_that_was_not_typed(alice, bob, browser_of):
    block = make_block(alice, value="one")
    browser = browser_of(bob)
    data = open_form(browser, block) | {"description": "for whom"}
    write_block(block, by=actor(alice), value="two")
    refused = browser.post(change_url(block), data)
    version = refused.context["adminform"].form["version"].value()

    save_form(browser, block, {**data, "version": version})

    block.refresh_from_db()
    assert (block.value, block.description) == ("two", "for whom")


def test_value_over_limit_is_field_error(alice, browser_of):
    block = make_block(alice, value="one", limit=5)
    browser = browser_of(alice)
    data = open_form(browser, block)

    response = browser.post(change_url(block), {**data, "value": "longer", "description": "new"})

    form = response.context["adminform"].form
    assert form.errors == {"value": ["Expected at most 5 characters in block 'human', got 6"]}
    block.refresh_from_db()
    assert (block.value, block.description, block.version) == ("one", None, 1)


def test_all_invalid_fields_are_shown(alice, browser_of):
    block = make_block(alice)
    browser = browser_of(alice)
    data = open_form(browser, block)

    response = browser.post(
        change_url(block), {**data, "label": "x" * 201, "metadata": "[1]", "limit": "0"}
    )

    assert set(response.context["adminform"].form.errors) == {"label", "metadata", "limit"}


def test_new_block_belongs_to_operators_organization(alice, mallory, browser_of):
    browser_of(alice).post(
        add_url(Block),
        {"label": "policy", "value": "Be kind.", "limit": 100, "organization": mallory.pk},
    )

    block = Block.objects.get()
    assert (block.organization, block.created_by) == (alice.organization, alice)
    assert block.revisions.get().source == "admin"


def test_superuser_chooses_organization_of_new_block(alice, root, browser_of):
    browser = browser_of(root)

    missing = browser.post(add_url(Block), {"label": "policy", "limit": 100})
    browser.post(
        add_url(Block), {"label": "policy", "limit": 100, "organization": alice.organization_id}
    )

    assert set(missing.context["adminform"].form.errors) == {"organization"}
    assert Block.objects.get().organization == alice.organization


def test_deleted_block_is_listed_under_deleted(alice, browser_of):
    agent = make_agent(alice, labels=["human"])
    block = agent.blocks.get()
    browser = browser_of(alice)

    asked = browser.get(change_url(block).replace("/change/", "/delete/"))
    browser.post(change_url(block).replace("/change/", "/delete/"), {"post": "yes"})

    assert asked.status_code == 200
    block.refresh_from_db()
    assert block.deleted_at is not None
    assert not agent.blocks.exists()
    assert not browser.get(list_url(Block)).context["cl"].result_list
    deleted = browser.get(list_url(Block), {"state": "deleted"}).context["cl"].result_list
    assert [b.pk for b in deleted] == [block.pk]


def test_isolated_block_cannot_be_relabelled_or_deleted(alice, browser_of):
    conversation = make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    block = conversation.isolated_blocks.get()
    browser = browser_of(alice)
    data = open_form(browser, block)

    save_form(browser, block, {**data, "label": "other", "value": "own"})
    refused = browser.post(change_url(block).replace("/change/", "/delete/"), {"post": "yes"})
    bulk = {"action": "delete_selected", "_selected_action": block.pk, "post": "yes"}
    browser.post(f"{list_url(Block)}?state=isolated", bulk)

    block.refresh_from_db()
    assert (block.label, block.value, block.deleted_at) == ("human", "own", None)
    assert refused.status_code == 403


def test_label_already_on_agent_is_rejected(alice, browser_of):
    agent = make_agent(alice, labels=["human", "persona"])
    block = agent.blocks.get(label="persona")
    browser = browser_of(alice)
    data = open_form(browser, block)

    response = browser.post(change_url(block), {**data, "label": "human"})

    [error] = response.context["adminform"].form.non_field_errors()
    assert "already has a block with label 'human'" in error
    block.refresh_from_db()
    assert block.label == "persona"


def test_markup_in_block_is_escaped(alice, browser_of):
    bad = "<script>alert(1)</script>"
    block = make_block(alice, value=bad, description=bad)
    write_block(block, by=actor(alice), value=f"{bad} {bad}", reason=bad)
    browser = browser_of(alice)

    pages = [browser.get(change_url(block)), browser.get(list_url(Block))]
    pages.append(browser.get(change_url(block.revisions.first())))

    for page in pages:
        assert "alert(1)" in page.content.decode()
        assert bad not in page.content.decode()


def button(block, name, query=""):
    return change_url(block).replace("/change/", f"/{name}/") + query


def test_history_pages_from_newest_to_oldest(alice, browser_of):
    block = make_block(alice, value="version 1")
    browser = browser_of(alice)
    for number in range(2, 24):
        write_block(block, by=actor(alice), value=f"version {number}")

    page = browser.get(change_url(block))
    older = browser.get(button(block, "revisions", f"?before={page.context['older_than']}"))

    html = page.content.decode().replace("<span>", "").replace("</span>", "")
    assert [r.number for r, _ in page.context["revisions"]] == list(range(23, 3, -1))
    assert "version <del>22</del><ins>23</ins>" in html
    assert [r.number for r, _ in older.context["revisions"]] == [3, 2, 1]
    assert older.context["older_than"] is None


def test_revision_shows_author_conversation_and_run(alice, browser_of):
    conversation = make_conversation(make_agent(alice, labels=["human"]), summary="About Ada")
    run = make_run(conversation)
    block = conversation.agent.blocks.get()
    by = actor(alice, Source.TOOL)._replace(run=run)
    write_block(
        block, by=by, value="<i>new</i>", conversation=conversation, reason="Requested by Ada"
    )

    page = browser_of(alice).get(change_url(block)).content.decode()

    assert change_url(run) in page
    assert change_url(conversation) in page
    assert "Requested by Ada" in page
    assert "tool" in page
    assert "&lt;i&gt;" in page


def test_restore_previews_and_checks_version(alice, browser_of):
    block = make_block(alice, value="one")
    write_block(block, by=actor(alice), value="two")
    browser = browser_of(alice)

    asked = browser.get(button(block, "restore", "?number=1"))
    seen = fields_of(asked, "confirm")
    write_block(block, by=actor(alice), value="three")
    refused = browser.post(button(block, "restore", "?number=1"), seen, follow=True)
    nowhere = browser.get(button(block, "restore", "?number=99"), follow=True)
    seen = fields_of(browser.get(button(block, "restore", "?number=1")), "confirm")
    browser.post(button(block, "restore", "?number=1"), seen)

    assert "<del>two</del><ins>one</ins>" in asked.content.decode()
    assert "is at version 3" in messages_of(refused)[0]
    assert refused.redirect_chain == [(button(block, "restore", "?number=1"), 302)]
    assert "has no revision 99" in messages_of(nowhere)[0]
    block.refresh_from_db()
    assert (block.value, block.version) == ("one", 4)


def test_undo_and_redo_check_version(alice, browser_of):
    block = make_block(alice, value="one")
    write_block(block, by=actor(alice), value="two")
    browser = browser_of(alice)

    browser.post(button(block, "undo"), {"version": 2})
    stale = browser.post(button(block, "undo"), {"version": 2}, follow=True)
    block.refresh_from_db()
    assert block.value == "one"
    assert "is at version 3" in messages_of(stale)[-1]
    browser.post(button(block, "redo"), {"version": 3})
    block.refresh_from_db()
    assert block.value == "two"


def test_preview_shows_audience_then_saves(alice, browser_of):
    agent = make_agent(alice, labels=["human"])
    make_conversation(agent)
    make_conversation(agent, isolated=["human"])
    block = agent.blocks.get()
    browser = browser_of(alice)
    typed = {**open_form(browser, block), "value": "\nabout\r\nAda"}

    asked = browser.post(button(block, "preview"), typed)
    assert asked.context["audience"] == (1, 2, 1)
    block.refresh_from_db()
    assert block.value == "about human"

    browser.post(change_url(block), fields_of(asked, "confirm"))
    block.refresh_from_db()
    assert block.value == "\nabout\nAda"


@pytest.mark.parametrize("name", ["undo", "redo", "restore", "preview"])
def test_block_verbs_require_change_permission(name, alice, mallory, browser_of):
    block = make_block(alice, value="one")
    write_block(block, by=actor(alice), value="two")
    alice.user.user_permissions.remove(alice.user.user_permissions.get(codename="change_block"))
    url = button(block, name, "?number=1")

    assert browser_of(mallory).post(url, {"version": 2}).status_code == 302
    assert browser_of(alice).post(url, {"version": 2}).status_code == 403
    assert "Restore…" not in browser_of(alice).get(change_url(block)).content.decode()
    block.refresh_from_db()
    assert block.value == "two"


def test_stranger_cannot_edit_block(alice, bob, mallory, browser_of):
    block = make_block(alice, value="one")
    data = open_form(browser_of(bob), block)

    refused = browser_of(mallory).post(change_url(block), {**data, "value": "mallory's"})
    bulk = {"action": "delete_selected", "_selected_action": block.pk, "post": "yes"}
    browser_of(mallory).post(list_url(Block), bulk)

    assert refused.status_code == 302
    block.refresh_from_db()
    assert (block.value, block.deleted_at) == ("one", None)
