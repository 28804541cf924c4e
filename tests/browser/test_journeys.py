"""An operator's main tasks with mouse and keyboard."""

import re

import pytest
from playwright.sync_api import expect

from conversations.domain.memory.blocks import write_block
from conversations.models import ApiKey

from ..factories import actor, make_conversation, make_messages
from .conversation import LINES, path_of, section, text_of, write

pytestmark = pytest.mark.browser


def test_isolate_and_edit_label_of_found_conversation(alice, conversation, page_for):
    alice.user.set_password("correct horse")
    alice.user.save()
    make_conversation(conversation.agent, summary="Somebody else")
    page = page_for()

    page.goto("/admin/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    page.locator("#figures").get_by_role("link", name="conversations").click()
    page.locator("#searchbar").fill("large")
    page.locator("#searchbar").press("Enter")
    expect(page.get_by_role("link", name="Somebody else")).to_have_count(0)
    page.get_by_role("link", name="A large customer").click()

    page.get_by_role("button", name="Isolate policy").click()
    expect(page.get_by_text("Isolated policy.")).to_be_visible()
    policy = section(page, "policy")
    expect(policy.get_by_text("in sync")).to_be_visible()
    policy.get_by_role("textbox").fill(LINES.replace("24", "72"))
    policy.get_by_role("button", name="Save").click()

    expect(policy.get_by_text("isolated changed")).to_be_visible()
    expect(policy.locator("ins")).to_have_text("72")
    expect(policy.locator("del")).to_have_text("24")
    page.get_by_role("button", name="Recompile now").click()
    expect(page.get_by_role("button", name="Recompile now")).to_have_count(0)
    assert text_of(conversation, "policy") == LINES.replace("24", "72")
    policy.get_by_role("button", name="Undo").click()
    expect(policy.get_by_text("in sync")).to_be_visible()


def test_stale_save_is_rejected_and_keeps_typed_text(alice, conversation, page_for):
    page = page_for(alice)
    page.goto(path_of(conversation))
    page.get_by_role("button", name="Isolate policy").click()
    policy = section(page, "policy")
    policy.get_by_role("textbox").fill(LINES.replace("warm", "brisk"))
    write(conversation, alice, own=LINES.replace("9 to 17", "8 to 20"))

    policy.get_by_role("button", name="Save").click()

    expect(policy.locator(".errorlist")).to_contain_text("Not saved")
    expect(policy.locator(".edit-conflict ins").first).to_have_text("8")
    expect(policy.get_by_role("textbox")).to_have_value(LINES.replace("warm", "brisk"))
    assert text_of(conversation, "policy") == LINES.replace("9 to 17", "8 to 20")
    policy.get_by_role("textbox").fill(LINES.replace("9 to 17", "8 to 20").replace("warm", "brisk"))
    policy.get_by_role("button", name="Save").click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert text_of(conversation, "policy").endswith("Calls: 8 to 20\nTone: brisk")


def test_promote_shows_audience(alice, conversation, page_for):
    page = page_for(alice)
    page.goto(path_of(conversation))
    page.get_by_role("button", name="Isolate policy").click()
    write(conversation, alice, own=LINES.replace("24", "72"))
    page.reload()

    page.get_by_role("link", name="Promote policy").click()
    # Only the default conversation reads the shared block; this one has isolated it.
    expect(page.get_by_text("1 conversation of 1 agent")).to_be_visible()
    expect(page.locator("ins")).to_have_text("72")
    page.get_by_role("button", name="Promote").click()

    expect(page.get_by_text("Promoted policy")).to_be_visible()
    expect(section(page, "policy").get_by_text("in sync")).to_be_visible()
    assert conversation.agent.blocks.get(label="policy").value == LINES.replace("24", "72")


def test_resolve_conflict_on_merge_page(alice, conversation, page_for):
    page = page_for(alice)
    page.goto(path_of(conversation))
    page.get_by_role("button", name="Isolate policy").click()
    write(conversation, alice, own=LINES.replace("24", "72"), shared=LINES.replace("24", "48"))
    page.reload()
    expect(section(page, "policy").get_by_text("diverged")).to_be_visible()

    page.get_by_role("link", name="Rebase policy").click()
    expect(page.locator(".conflict")).to_have_count(1)
    page.get_by_role("button", name="Rebase").click()
    expect(page.get_by_text("is still a conflict marker")).to_be_visible()
    page.get_by_label("Text to keep").fill(LINES.replace("24", "48 to 72"))
    page.get_by_role("button", name="Rebase").click()

    expect(page.get_by_text("Rebased policy")).to_be_visible()
    expect(section(page, "policy").get_by_text("isolated changed")).to_be_visible()
    assert text_of(conversation, "policy") == LINES.replace("24", "48 to 72")


def test_restore_older_revision(alice, conversation, page_for):
    block = conversation.agent.blocks.get(label="policy")
    for number in range(30):
        write_block(block, by=actor(alice), value=f"version {number}")
    page = page_for(alice)
    page.goto(path_of(block))

    page.get_by_role("link", name="Load older revisions").click()
    page.get_by_role("link", name="Restore revision 1", exact=True).click()
    expect(page.get_by_text("2 conversations of 1 agent read this")).to_be_visible()
    page.get_by_role("button", name="Restore").click()

    expect(page.get_by_text("Restored revision 1.")).to_be_visible()
    block.refresh_from_db()
    assert (block.value, block.version) == (LINES, 32)


def test_preview_then_save_block(alice, conversation, page_for):
    block = conversation.agent.blocks.get(label="policy")
    page = page_for(alice)
    page.goto(path_of(block))

    page.get_by_label("Value").fill(LINES.replace("24", "36"))
    page.get_by_role("button", name="Preview the change").click()
    expect(page.locator("ins")).to_have_text("36")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_text("was changed successfully")).to_be_visible()
    block.refresh_from_db()
    assert block.value == LINES.replace("24", "36")


def test_reset_label_in_all_conversations(alice, conversation, page_for):
    others = [make_conversation(conversation.agent, isolated=["policy"]) for _ in range(3)]
    for other in others[:2]:
        write(other, alice, own="their own")
    page = page_for(alice)
    page.goto(path_of(conversation.agent))

    page.get_by_role("link", name="Reset policy in all conversations").click()
    expect(page.get_by_text("nothing has been changed yet")).to_be_visible()
    assert text_of(others[0], "policy") == "their own"
    page.get_by_role("button", name="Reset").click()

    expect(page.get_by_role("heading", name="Results")).to_be_visible()
    expect(page.locator("ul.figures")).to_contain_text("2 applied")
    assert [text_of(other, "policy") for other in others] == [LINES] * 3


def test_issue_key_shows_secret_once_then_revoke(alice, page_for):
    page = page_for(alice)
    page.goto("/admin/conversations/apikey/add/")

    page.get_by_role("combobox", name="Member").click()
    page.locator(".select2-search__field").fill("alice")
    page.get_by_role("option", name="alice").click()
    page.get_by_label("Name").fill("nightly")
    page.get_by_role("button", name="Save", exact=True).click()
    secret = page.locator(".messagelist code").inner_text()
    page.reload()
    expect(page.get_by_text(secret)).to_have_count(0)
    page.get_by_role("link", name=re.compile("^ic-")).click()
    expect(page.get_by_text(secret)).to_have_count(0)
    page.get_by_role("button", name="Revoke").click()

    expect(page.get_by_text("Requests with this key are rejected")).to_be_visible()
    key = ApiKey.objects.get()
    assert key.digest == ApiKey.digest_of(secret)
    assert key.revoked_at is not None


def test_view_permission_alone_shows_no_buttons(bob, conversation, page_for):
    page = page_for(bob)

    for row in (conversation, conversation.agent, conversation.agent.blocks.first()):
        page.goto(path_of(row))
        expect(page.locator("main").get_by_role("textbox")).to_have_count(0)
        expect(page.locator("main").locator("button, input[type=submit]")).to_have_count(0)
    page.goto(path_of(conversation))
    expect(section(page, "policy").get_by_text("Refunds: 24 hours")).to_be_visible()
    expect(page.locator("#context-window")).to_be_visible()


def test_stranger_finds_nothing(mallory, conversation, page_for):
    page = page_for(mallory)
    paths = [path_of(conversation), path_of(conversation.agent)]
    paths += [path_of(conversation).replace("/change/", "/timeline/")]

    for path in paths:
        page.goto(path)
        expect(page.get_by_text("Perhaps it was deleted?")).to_be_visible()
        expect(page.get_by_text("A large customer")).to_have_count(0)


def test_older_messages_load_into_page(alice, conversation, page_for):
    make_messages(conversation, *[f"message {n}" for n in range(140)])
    page = page_for(alice)
    page.goto(path_of(conversation))
    messages = page.locator(".timeline .message")
    expect(messages).to_have_count(20)

    page.get_by_role("link", name="Load older messages").press("Enter")
    expect(messages).to_have_count(120)
    expect(messages.first).to_be_focused()
    page.get_by_role("link", name="Load older messages").click()

    expect(messages).to_have_count(141)  # including the system message
    expect(page.get_by_role("link", name="Load older messages")).to_have_count(0)
    assert "message 0" in messages.nth(1).inner_text()


def test_console_works_without_scripts(alice, conversation, page_for):
    make_messages(conversation, *[f"message {n}" for n in range(40)])
    page = page_for(alice, java_script_enabled=False)
    page.goto(path_of(conversation))

    page.get_by_role("button", name="Isolate policy").click()
    section(page, "policy").get_by_role("textbox").fill("mine")
    section(page, "policy").get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Show the context window").click()
    page.get_by_text("Prompt of the next turn").click()
    expect(page.locator("pre").first).to_contain_text("mine")
    page.go_back()
    page.get_by_role("link", name="Load older messages").click()

    expect(page.get_by_text("message 9", exact=True)).to_be_visible()
    assert text_of(conversation, "policy") == "mine"
