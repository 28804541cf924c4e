"""The verbs of one label on a conversation's page: permissions and previews."""

import pytest
from django.test import Client
from django.urls import reverse

from conversations.domain.conversations.agents import detach_block
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.effective import effective_blocks
from conversations.models import Conversation

from ..factories import actor, make_agent, make_conversation
from .pages import change_url, fields_of, messages_of

VERBS = ["isolate", "release", "promote", "reset", "rebase", "undo", "redo", "restore_label"]


def button(conversation, name, label="human"):
    url = reverse(f"admin:conversations_conversation_{name}", args=[conversation.pk])
    return f"{url}?label={label}"


def texts(conversation) -> dict[str, str]:
    return {e.label: e.block.value for e in effective_blocks(conversation)}


@pytest.fixture
def conversation(alice) -> Conversation:
    """Create a conversation that has isolated `human`, a text of three lines."""
    lines = {"label": "human", "value": "one\ntwo\nthree"}
    agent = make_agent(alice, labels=["persona"], memory_blocks=[lines])
    return make_conversation(agent, isolated=["human"])


@pytest.fixture
def write(alice, conversation):
    """Return a function: `write(own=…, shared=…)` edits either text."""

    def make(**values):
        own = conversation.isolated_blocks.get()
        blocks = {"own": own, "shared": conversation.agent.blocks.get(label="human")}
        for side, value in values.items():
            write_block(blocks[side], by=actor(alice), value=value)

    return make


def test_promote_shows_audience_first(alice, conversation, write, browser_of):
    make_conversation(conversation.agent)
    make_conversation(conversation.agent, isolated=["human"])
    write(own="one\ntwo\nmore")
    browser = browser_of(alice)

    asked = browser.get(button(conversation, "promote"))
    before = conversation.agent.blocks.get(label="human").value
    done = browser.post(button(conversation, "promote"), fields_of(asked, "confirm"), follow=True)

    # The default conversation and the conversation without isolated blocks.
    assert "2 conversations" in asked.content.decode()
    assert "<ins>more</ins>" in asked.content.decode()
    assert before == "one\ntwo\nthree"
    assert messages_of(done) == ["Promoted human for 2 conversations."]
    assert conversation.agent.blocks.get(label="human").value == "one\ntwo\nmore"


def test_confirmation_page_has_form_styles(alice, conversation, browser_of):
    asked = browser_of(alice).get(button(conversation, "reset"))

    assert "admin/css/forms.css" in asked.content.decode()


def test_promote_over_shared_change_requires_force(alice, conversation, write, browser_of):
    write(own="one\ntwo\nmore", shared="ONE\ntwo\nthree")
    browser = browser_of(alice)
    shared = conversation.agent.blocks.get(label="human")

    asked = browser.get(button(conversation, "promote"))
    seen = fields_of(asked, "confirm")
    refused = browser.post(button(conversation, "promote"), seen, follow=True)
    assert "rebase first, or force" in messages_of(refused)[0]

    write(shared="ONE\nTWO\nthree")
    unseen = browser.post(button(conversation, "promote"), {**seen, "force": "on"}, follow=True)
    shared.refresh_from_db()
    assert "is at version 3; this write was based on version 2" in messages_of(unseen)[0]
    assert shared.value == "ONE\nTWO\nthree"

    seen = fields_of(browser.get(button(conversation, "promote")), "confirm")
    browser.post(button(conversation, "promote"), {**seen, "force": "on"})
    shared.refresh_from_db()
    assert shared.value == "one\ntwo\nmore"


def test_promote_requires_permission_to_change_blocks(alice, conversation, write, browser_of):
    write(own="mine")
    alice.user.user_permissions.remove(alice.user.user_permissions.get(codename="change_block"))
    browser = browser_of(alice)

    page = browser.get(change_url(conversation)).content.decode()

    assert "Promote" not in page
    assert "Reset" in page
    assert browser.get(button(conversation, "promote")).status_code == 403
    assert browser.post(button(conversation, "promote"), {"version": 2}).status_code == 403


def test_reset_can_be_undone_and_redone(alice, conversation, write, browser_of):
    write(own="mine")
    browser = browser_of(alice)

    asked = browser.get(button(conversation, "reset"))
    assert "<del>mine</del>" in asked.content.decode()
    browser.post(button(conversation, "reset"), fields_of(asked, "confirm"))
    assert texts(conversation)["human"] == "one\ntwo\nthree"
    browser.post(button(conversation, "undo"), {"version": 3})
    assert texts(conversation)["human"] == "mine"
    browser.post(button(conversation, "redo"), {"version": 4})
    assert texts(conversation)["human"] == "one\ntwo\nthree"


def test_verbs_reject_stale_version(alice, conversation, write, browser_of):
    write(own="mine")
    browser = browser_of(alice)
    seen = {
        n: fields_of(browser.get(button(conversation, n)), "confirm") for n in ("reset", "release")
    }
    write(own="somebody else's")

    replies = [
        browser.post(button(conversation, name), data, follow=True) for name, data in seen.items()
    ]
    replies.append(browser.post(button(conversation, "undo"), {"version": 2}, follow=True))

    for reply in replies:
        assert "is at version 3; this write was based on version 2" in messages_of(reply)[0]
    assert texts(conversation)["human"] == "somebody else's"


def test_rebase_without_conflict_merges(alice, conversation, write, browser_of):
    write(own="one\ntwo\nTHREE", shared="ONE\ntwo\nthree")
    browser = browser_of(alice)

    asked = browser.get(button(conversation, "rebase"))
    browser.post(button(conversation, "rebase"), fields_of(asked, "confirm"))

    assert "conflicts" not in asked.context
    assert texts(conversation)["human"] == "ONE\ntwo\nTHREE"


def test_merge_page_rejects_markers_and_resolves_conflict(alice, conversation, write, browser_of):
    write(own="one\nmine\nthree", shared="one\ntheirs\nthree")
    browser = browser_of(alice)

    asked = browser.get(button(conversation, "rebase"))
    data = fields_of(asked, "confirm")
    marked = browser.post(button(conversation, "rebase"), data)
    assert "Line 2" in marked.context["form"].errors["resolution"][0]
    assert texts(conversation)["human"] == "one\nmine\nthree"

    browser.post(button(conversation, "rebase"), {**data, "resolution": "one\nboth\nthree"})
    assert texts(conversation)["human"] == "one\nboth\nthree"
    assert conversation.isolations.get().base_value == "one\ntheirs\nthree"


def test_stale_merge_keeps_typed_text(alice, conversation, write, browser_of):
    write(own="one\nmine\nthree", shared="one\ntheirs\nthree")
    browser = browser_of(alice)
    data = fields_of(browser.get(button(conversation, "rebase")), "confirm")
    write(shared="one\ntheirs, and later\nthree")

    refused = browser.post(
        button(conversation, "rebase"), {**data, "resolution": "one\nboth\nthree"}
    )

    again = fields_of(refused, "confirm")
    assert texts(conversation)["human"] == "one\nmine\nthree"
    assert again["resolution"] == "one\r\nboth\r\nthree"
    assert (data["shared_version"], again["shared_version"]) == ("2", "3")
    assert "theirs, and later" in refused.content.decode()


def test_restore_released_label(alice, conversation, write, browser_of):
    write(own="mine")
    browser = browser_of(alice)

    assert "Restore isolated block" not in browser.get(change_url(conversation)).content.decode()
    browser.post(button(conversation, "release"), {"version": 2})
    assert "Restore isolated block" in browser.get(change_url(conversation)).content.decode()
    browser.post(button(conversation, "restore_label"))

    assert texts(conversation)["human"] == "mine"


def test_shared_gone_rejects_promote_reset_and_rebase(alice, conversation, browser_of):
    detach_block(conversation.agent, conversation.agent.blocks.get(label="human"), by=actor(alice))
    browser = browser_of(alice)

    page = browser.get(change_url(conversation)).content.decode()
    replies = [
        browser.get(button(conversation, name), follow=True)
        for name in ("promote", "reset", "rebase")
    ]

    assert "Promote" not in page
    for reply in replies:
        assert "no longer has a block with label 'human'" in messages_of(reply)[0]


@pytest.mark.parametrize("name", [*VERBS, "recompile", "archive", "fork"])
def test_verbs_require_change_permission(name, alice, mallory, conversation, write, browser_of):
    write(own="mine", shared="theirs")
    label = "persona" if name == "isolate" else "human"
    alice.user.user_permissions.clear()
    before = Conversation.objects.values().get(pk=conversation.pk)
    url, data = button(conversation, name, label), {"version": 2, "force": "on"}

    strange = browser_of(mallory).post(url, data)
    unqualified = browser_of(alice).post(url, data)
    anonymous = Client().post(url, data)
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(mallory.user)
    unsigned = forged.post(url, data)

    assert strange.status_code == anonymous.status_code == 302
    assert unqualified.status_code == unsigned.status_code == 403
    assert texts(conversation)["human"] == "mine"
    assert conversation.agent.blocks.get(label="human").value == "theirs"
    assert Conversation.objects.values().get(pk=conversation.pk) == before
    assert not conversation.forks.exists()


@pytest.mark.parametrize("name", [*VERBS, "recompile", "archive", "fork"])
def test_get_changes_nothing(name, alice, conversation, write, browser_of):
    write(own="mine", shared="theirs")
    before = texts(conversation), Conversation.objects.values().get(pk=conversation.pk)

    reply = browser_of(alice).get(button(conversation, name))

    assert reply.status_code in (200, 405)
    assert (texts(conversation), Conversation.objects.values().get(pk=conversation.pk)) == before
    assert not conversation.forks.exists()
