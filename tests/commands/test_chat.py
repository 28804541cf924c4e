"""manage.py chat in an interactive session."""

import io
import signal
import threading

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from conversations.domain.conversations.agents import update_agent
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.domain.tools.rules import with_approvals
from conversations.models import Conversation, Run

from ..factories import actor, make_agent, make_conversation
from ..runtime.processes import until
from ..script import call, hold, say, script

INSERT = call("memory_insert", label="human", new_string="likes tea")
INSERT_SCRIPT = script(INSERT, say("I see"))


@pytest.fixture
def agent(transactional_db, model, alice):
    return make_agent(alice, labels=["human"], tools=BASE_TOOLS)


@pytest.fixture
def chat(monkeypatch):
    """Return a function that enters lines and returns the output and the error output."""

    def say(*arguments: str, lines: list[str]) -> tuple[str, str]:
        rest = iter(lines)

        def typed(prompt: str) -> str:
            try:
                return next(rest)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr("builtins.input", typed)
        printed, errors = io.StringIO(), io.StringIO()
        call_command("chat", *arguments, stdout=printed, stderr=errors, no_color=True)
        return printed.getvalue(), errors.getvalue()

    return say


def test_turn_prints_reply_tool_call_and_memory_diff(chat, agent):
    text = script(INSERT, say("noted"))

    printed, errors = chat(agent.pk, "--isolate", "human", lines=["SAY good day", text])

    conversation = Conversation.objects.get(is_default=False)
    assert f"Conversation {conversation.pk}" in errors
    assert "good day\n" in printed
    assert '[memory_insert] {"label": "human", "new_string": "likes tea"}' in printed
    assert "--- human, before\n+++ human, now\n" in printed
    assert "+likes tea" in printed
    assert "noted" in printed
    assert conversation.isolations.get().block.value == "about human\nlikes tea"
    assert agent.blocks.get().value == "about human"
    assert {run.status for run in Run.objects.all()} == {"completed"}


def test_provider_error_is_printed_and_chat_continues(chat, agent):
    printed, _ = chat(agent.pk, lines=["FAIL 401", "SAY still here"])

    assert "Authentication failed with the LLM model provider." in printed
    assert "still here" in printed


@pytest.mark.parametrize(
    ("answer", "value", "shown"),
    [
        ("yes", "about human\nlikes tea", "+likes tea"),
        ("not that", "about human", "denied. User reason: not that"),
        ("", "about human", "denied. User reason: None\n"),
    ],
)
def test_call_that_needs_approval_prompts_for_decision(chat, agent, answer, value, shown):
    agent.tool_rules = with_approvals([], ["memory_insert"])
    agent.save()

    printed, _ = chat(agent.pk, lines=[INSERT_SCRIPT, answer, "SAY more"])

    assert agent.blocks.get().value == value
    assert shown in printed
    assert "I see" in printed
    assert "more" in printed


def test_undecided_call_prompts_in_next_session(chat, agent):
    agent.tool_rules = with_approvals([], ["memory_insert"])
    agent.save()
    chat(agent.pk, "--conversation", "default", lines=[INSERT_SCRIPT])

    printed, _ = chat(agent.pk, "--conversation", "default", lines=["yes"])

    assert "I see" in printed
    assert agent.blocks.get().value == "about human\nlikes tea"


def test_agent_update_applies_to_next_turn(chat, agent, model):
    def lines():
        yield "SAY a"
        update_agent(agent, by=actor(), system="Speak like a pirate.", model="openai/other")
        yield "SAY b"

    chat(agent.pk, lines=lines())

    assert model.requests[-1]["messages"][0]["content"].startswith("Speak like a pirate.")
    assert model.requests[-1]["model"] == "other"


def test_invalid_utf8_input_is_not_sent(chat, agent):
    printed, errors = chat(agent.pk, lines=["SAY \udcff", "SAY fine"])

    assert "nothing was sent" in errors
    assert "fine" in printed
    assert Run.objects.count() == 1


def test_ctrl_c_cancels_turn_and_chat_continues(chat, agent, model):
    """SIGINT arrives during a reply, as from a terminal."""

    def interrupt():
        until(lambda: model.requests, seconds=60, what="the model is called")
        signal.raise_signal(signal.SIGINT)

    def lines():
        threading.Timer(0, interrupt).start()
        yield script(hold(), say("late"))
        yield "SAY fine"

    printed, errors = chat(agent.pk, lines=lines())

    assert "(cancelled)" in errors
    assert printed.strip() == "fine"
    assert [run.status for run in Run.objects.order_by("created_at")] == ["cancelled", "completed"]


def test_chat_continues_existing_conversation(chat, agent):
    conversation = make_conversation(agent)

    chat(agent.pk, "--conversation", conversation.pk, lines=["SAY a"])
    chat(agent.pk, "--conversation", "default", lines=["SAY b"])

    assert conversation.message_links.count() == 3
    assert agent.conversations.get(is_default=True).message_links.count() == 3


def test_empty_line_ends_chat(chat, agent):
    chat(agent.pk, lines=["", "SAY never"])

    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["agent-1"], "No agent has the id 'agent-1'"),
        (["{agent}", "--conversation", "conv-1"], "has no conversation with the id 'conv-1'"),
        (["{agent}", "--isolate", "nolabel"], "'nolabel'"),
    ],
)
def test_unknown_id_or_label_is_named(chat, agent, arguments, expected):
    with pytest.raises(CommandError, match=expected):
        chat(*(argument.format(agent=agent.pk) for argument in arguments), lines=[])
