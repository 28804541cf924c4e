"""Behavior of console.js and console.css."""

import pytest
from playwright.sync_api import expect

from conversations.domain.conversations.agents import attach_block
from conversations.domain.memory.isolation import isolate_label

from ..factories import actor, make_block
from .conversation import path_of, section, write

pytestmark = pytest.mark.browser


def test_leaving_page_with_unsaved_text_asks_first(alice, conversation, page_for):
    isolate_label(conversation, "policy", by=actor(alice))
    attach_block(conversation.agent, make_block(alice, label="tone"), by=actor(alice))
    page = page_for(alice)
    page.goto(path_of(conversation))
    asked = []

    def stay(dialog):
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    policy = section(page, "policy")
    policy.get_by_role("textbox").fill("half a thought")
    page.get_by_role("button", name="Isolate tone").click()
    expect(policy.get_by_role("textbox")).to_have_value("half a thought")
    assert asked == ["beforeunload"]
    assert [i.label for i in conversation.isolations.all()] == ["policy"]

    policy.get_by_role("button", name="Save").click()
    expect(policy.get_by_text("isolated changed")).to_be_visible()
    page.get_by_role("link", name="Shared block of policy").click()
    expect(page.get_by_role("heading", name="Change block")).to_be_visible()
    assert asked == ["beforeunload"]


def test_rejected_save_focuses_error(alice, conversation, page_for):
    isolate_label(conversation, "policy", by=actor(alice))
    page = page_for(alice)
    page.goto(path_of(conversation))
    write(conversation, alice, own="faster")

    section(page, "policy").get_by_role("textbox").fill("slower")
    section(page, "policy").get_by_role("button", name="Save").press("Enter")

    expect(page.locator(".errornote")).to_be_focused()


def test_double_click_submits_once(alice, conversation, page_for):
    page = page_for(alice)
    page.goto(f"{path_of(conversation).removesuffix('change/')}fork/")

    sent = []
    page.on("request", lambda request: request.method == "POST" and sent.append(request.url))
    page.get_by_role("button", name="Fork").dblclick()

    expect(page.get_by_text("Forked from A large customer")).to_be_visible()
    assert len(sent) == conversation.forks.count() == 1


def test_index_counts_fit_two_rows(alice, page_for):
    page = page_for(alice)
    page.goto("/admin/")

    tiles = page.locator("#figures li")
    expect(tiles).to_have_count(10)
    rows = {tile.bounding_box()["y"] for tile in tiles.all()}
    assert len(rows) == 2
