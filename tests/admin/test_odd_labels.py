"""The console shows, writes and exports odd labels unchanged."""

from urllib.parse import quote

import pytest
from django.urls import reverse

from conversations.admin.fields import WordsField
from conversations.domain.memory.isolation import isolate_label
from conversations.models import Agent, Conversation

from ..factories import actor, make_agent, make_conversation
from ..labels import ODD_LABELS
from .pages import change_url, fields_of


def page_of(conversation: Conversation, name: str) -> str:
    return reverse(f"admin:conversations_conversation_{name}", args=[conversation.pk])


LABELS = ["", *ODD_LABELS]
WORDS = [[], ["human", "todo"], *([label] for label in LABELS), LABELS, ['["a"]'], ["a", ""]]


@pytest.mark.parametrize("words", WORDS)
def test_words_survive_the_form(words):
    field = WordsField()

    assert field.to_python(field.prepare_value(words)) == words
    assert not field.has_changed(words, field.prepare_value(words))


def test_agent_form_keeps_odd_isolation_policy(alice, browser_of):
    agent = make_agent(alice, labels=LABELS, isolated_labels=["a, b", ""])
    browser = browser_of(alice)
    page = browser.get(change_url(agent))

    browser.post(change_url(agent), fields_of(page, "agent_form") | {"name": "renamed"})

    stored = Agent.objects.get()
    assert (stored.name, stored.isolated_labels) == ("renamed", ["a, b", ""])


@pytest.mark.parametrize("label", LABELS)
def test_verbs_of_page_work_on_odd_label(label, alice, browser_of):
    conversation = make_conversation(make_agent(alice, labels=[label, "other"]))
    browser = browser_of(alice)

    def press(verb: str) -> None:
        url = f"{page_of(conversation, verb)}?label={quote(label, safe='')}"
        asked = browser.get(url)
        fields = fields_of(asked, "confirm") if asked.status_code == 200 else {}
        browser.post(url, fields)

    press("isolate")
    assert [block.label for block in conversation.isolated_blocks.all()] == [label]
    assert browser.get(change_url(conversation)).status_code == 200
    press("release")
    assert not conversation.isolated_blocks.exists()


def test_fork_form_chooses_for_each_odd_label(alice, browser_of):
    conversation = make_conversation(make_agent(alice, labels=LABELS))
    for label in LABELS:
        isolate_label(conversation, label, by=actor(alice))
    browser = browser_of(alice)
    url = page_of(conversation, "fork")
    fields = fields_of(browser.get(url), "confirm")
    choices = {name: "share" if name == "choice-1" else "copy" for name in fields if "-" in name}

    browser.post(url, fields | choices)

    fork = Conversation.objects.exclude(pk=conversation.pk).get(is_default=False)
    assert {block.label for block in fork.isolated_blocks.all()} == set(LABELS) - {LABELS[1]}
