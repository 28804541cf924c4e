"""The timeline of a conversation's page, and its context page."""

import pytest
from django.urls import reverse

from conversations.domain.memory.blocks import write_block
from conversations.domain.turns.context_window import context_window
from conversations.models import Conversation, Run

from ..factories import actor, make_agent, make_conversation, make_messages, make_run
from .pages import change_url, fields_of, messages_of


def page_of(conversation, name, query=""):
    url = reverse(f"admin:conversations_conversation_{name}", args=[conversation.pk])
    return f"{url}{query}"


def shown(response) -> list[str]:
    return [message.text for _, message, *_ in response.context["entries"]]


@pytest.fixture
def conversation(alice) -> Conversation:
    return make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])


def test_messages_page_from_newest_to_oldest(alice, conversation, browser_of):
    make_messages(conversation, *[f"message <{n}>" for n in range(130)])
    browser = browser_of(alice)

    page = browser.get(change_url(conversation))
    older = browser.get(page_of(conversation, "timeline", f"?before={page.context['older_than']}"))
    oldest = browser.get(
        page_of(conversation, "timeline", f"?before={older.context['older_than']}")
    )

    assert shown(page) == [f"message <{n}>" for n in range(110, 130)]
    assert shown(older) == [f"message <{n}>" for n in range(10, 110)]
    assert shown(oldest)[1:] == [f"message <{n}>" for n in range(10)]
    assert oldest.context["older_than"] is None
    assert "message &lt;129&gt;" in page.content.decode()


def test_memory_changes_appear_between_messages(alice, conversation, browser_of):
    block = conversation.isolated_blocks.get()
    make_messages(conversation, "first")
    write_block(block, by=actor(alice), value="about Ada", reason="Requested by Ada")
    make_messages(conversation, "second")
    write_block(block, by=actor(alice), value="about Grace")

    response = browser_of(alice).get(change_url(conversation))

    between = {
        message.text: [revision.value for revision, _ in changes]
        for _, message, _, changes in response.context["entries"]
    }
    assert between["first"] == []
    assert between["second"] == ["about Ada"]
    assert [revision.value for revision, _ in response.context["later_changes"]] == ["about Grace"]
    assert "<del>human</del><ins>Ada</ins>" in response.content.decode()
    assert "Requested by Ada" in response.content.decode()


def test_memory_changes_appear_once_across_pages(alice, conversation, browser_of):
    block = conversation.isolated_blocks.get()
    for n in range(70):
        make_messages(conversation, f"message {n}")
        write_block(block, by=actor(alice), value=f"text {n}")
    browser = browser_of(alice)

    page = browser.get(change_url(conversation))
    told = [r.number for r, _ in page.context["later_changes"]]
    while True:
        told += [r.number for *_, changes in page.context["entries"] for r, _ in changes]
        if page.context["older_than"] is None:
            break
        query = f"?before={page.context['older_than']}"
        page = browser.get(page_of(conversation, "timeline", query))

    assert sorted(told) == list(range(1, 72))


def test_context_line_marks_first_message_in_context(alice, conversation, browser_of):
    make_messages(conversation, "compacted away", "still there", "newest")
    conversation.message_links.filter(position=1).update(in_context=False)

    response = browser_of(alice).get(change_url(conversation))

    begins = {m.text: entry.context_begins for entry, m, *_ in response.context["entries"]}
    assert [text for text, is_first in begins.items() if is_first] == ["still there"]
    assert response.content.decode().count("Context begins here") == 1


def test_latest_runs_show_errors(alice, conversation, browser_of):
    make_run(conversation, status=Run.Status.FAILED, error="<b>no answer</b>")
    make_run(conversation, status=Run.Status.RUNNING)

    page = browser_of(alice).get(change_url(conversation)).content.decode()

    assert "&lt;b&gt;no answer&lt;/b&gt;" in page
    assert "run running" in page


def test_context_page_shows_next_prompt(alice, conversation, browser_of):
    write_block(conversation.isolated_blocks.get(), by=actor(alice), value="<i>own</i>")
    make_messages(conversation, "hello")

    page = browser_of(alice).get(page_of(conversation, "context"))

    window = context_window(conversation)
    parts = {kind: tokens for _, kind, tokens, *_ in page.context["parts"]}
    assert parts["memory"] == window.tokens_memory
    assert sum(parts.values()) == window.size_current
    assert "<i>own</i>" in page.context["window"].prompt.text
    assert "&lt;i&gt;own&lt;/i&gt;" in page.content.decode()


@pytest.mark.parametrize("name", ["timeline", "context"])
def test_stranger_cannot_read_messages(name, alice, mallory, conversation, browser_of):
    alice.user.user_permissions.clear()

    assert browser_of(mallory).get(page_of(conversation, name)).status_code == 302
    assert browser_of(alice).get(page_of(conversation, name)).status_code == 403


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("at", ["nonsense", "message-00000000-0000-4000-8000-000000000000"])
def test_fork_from_unknown_message_is_rejected(at, method, alice, conversation, browser_of):
    url = page_of(conversation, "fork", f"?at={at}")
    data = {"choice-0": "copy"} if method == "post" else None

    reply = getattr(browser_of(alice), method)(url, data, follow=True)

    assert f"has no message {at!r}" in " ".join(messages_of(reply))
    assert reply.request["PATH_INFO"] == change_url(conversation)
    assert not conversation.forks.exists()


def test_fork_follows_choice_for_each_label(alice, conversation, browser_of):
    write_block(conversation.isolated_blocks.get(), by=actor(alice), value="own")
    first, second = make_messages(conversation, "first", "second")
    browser = browser_of(alice)

    asked = browser.get(page_of(conversation, "fork", f"?at={first.pk}"))
    fields_of(asked, "confirm")
    browser.post(page_of(conversation, "fork", f"?at={first.pk}"), {"choice-0": "share"})
    browser.post(page_of(conversation, "fork"), {"choice-0": "copy"})
    wrong = browser.post(page_of(conversation, "fork"), {"choice-0": "nonsense"})

    copied, shared = conversation.forks.order_by("-created_at")
    assert [c.isolations.count() for c in (copied, shared)] == [1, 0]
    assert shared.forked_at_message == first
    assert copied.message_links.filter(message=second).exists()
    assert "nonsense is not one of the available choices" in wrong.content.decode()


def test_archive_and_unarchive(alice, conversation, browser_of):
    browser = browser_of(alice)
    for is_archived in (True, False):
        browser.post(page_of(conversation, "archive"))
        conversation.refresh_from_db()
        assert (conversation.archived_at is not None) is is_archived


def test_restore_deleted_conversation(alice, bob, conversation, browser_of):
    browser = browser_of(alice)
    browser.post(change_url(conversation).replace("/change/", "/delete/"), {"post": "yes"})
    bob.user.user_permissions.remove(bob.user.user_permissions.get(codename="change_conversation"))

    refused = browser_of(bob).post(page_of(conversation, "restore"))
    done = browser.post(page_of(conversation, "restore"), follow=True)

    conversation.refresh_from_db()
    assert refused.status_code == 403
    assert messages_of(done)[-1] == "Restored, with its isolated blocks and messages."
    assert conversation.deleted_at is None


def test_stale_fields_are_rejected(alice, bob, conversation, browser_of):
    browser = browser_of(bob)
    data = fields_of(browser.get(change_url(conversation)), "conversation_form")
    alices = browser_of(alice)
    alices.post(
        change_url(conversation),
        {**fields_of(alices.get(change_url(conversation)), "conversation_form"), "summary": "A"},
    )

    refused = browser.post(change_url(conversation), {**data, "summary": "B"})

    conversation.refresh_from_db()
    assert conversation.summary == "A"
    assert "summary: A" in refused.content.decode()
    assert fields_of(refused, "conversation_form")["summary"] == "B"
