"""Compaction replaces messages in context by a summary and deletes none."""

import pytest

from conversations.domain.conversations.conversations import fork_conversation
from conversations.domain.integrity.check import find_breaches
from conversations.models import Conversation, Run

from ..factories import actor, make_agent, make_conversation, make_messages
from ..script import call, hold, overflow, say, script
from .processes import until
from .streams import said, send, stream, types

LONG = "word " * 400  # about 500 tokens


@pytest.fixture
def conversation(alice) -> Conversation:
    return make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])


def in_context(conversation) -> list[tuple[str, str]]:
    links = conversation.message_links.in_context().select_related("message")
    return [(link.message.role, link.message.text[:20].strip()) for link in links]


def compact(client, conversation, **settings):
    body = {"compaction_settings": settings} if settings else None
    return client.post(f"/v1/conversations/{conversation.pk}/compact", body)


def test_compact_all(client_for, alice, conversation, model):
    make_messages(conversation, *(f"note {n}" for n in range(8)))

    answer = compact(client_for(alice), conversation, mode="all", prompt="SAY what happened")

    assert answer.status_code == 200, answer.content
    assert answer.json()["num_messages_before"] == 9
    assert answer.json()["num_messages_after"] == 2
    assert "note 7" in model.requests[-1]["messages"][1]["content"]
    assert [role for role, _ in in_context(conversation)] == ["system", "summary"]
    positions = conversation.message_links.order_by("position").values_list("position", flat=True)
    assert list(positions) == list(range(10))
    # All messages are still listed, and the model continues from the summary.
    listed = client_for(alice).get(f"/v1/conversations/{conversation.pk}/messages").json()
    assert len(listed) == 10
    send(client_for(alice), conversation, "SAY on")
    shown = model.requests[-1]["messages"]
    assert [message["role"] for message in shown] == ["system", "user", "user"]
    assert answer.json()["summary"] in shown[1]["content"]
    assert "about human" in shown[0]["content"]
    assert list(find_breaches()) == []


def test_sliding_window_keeps_newest_messages(client_for, alice, model):
    agent = make_agent(alice, context_window_limit=4000)
    conversation = make_conversation(agent)
    make_messages(conversation, *(f"note {n} {LONG}" for n in range(6)))

    answer = compact(client_for(alice), conversation, mode="sliding_window")

    assert answer.json()["num_messages_after"] < answer.json()["num_messages_before"] == 7
    roles = [role for role, _ in in_context(conversation)]
    assert roles == ["system", "summary", "user", "assistant"]
    assert [text for _, text in in_context(conversation)[2:]] == [
        "note 4 word word wor",
        "note 5 word word wor",
    ]


def test_turn_compacts_full_conversation(client_for, alice, model):
    agent = make_agent(alice, context_window_limit=3000)
    conversation = make_conversation(agent)
    make_messages(conversation, *(f"note {n} {LONG}" for n in range(6)))

    events = stream(client_for(alice), conversation, "SAY fits", include_compaction_messages=True)

    assert types(events) == [
        "summary_message",
        "assistant_message",
        "stop_reason",
        "usage_statistics",
    ]
    assert said(events) == "fits"
    assert len(model.requests) == 2
    assert sum(len(str(message)) for message in model.requests[-1]["messages"]) < 3000 * 4
    # The system message, the summary, the kept messages and the new message.
    shown = model.requests[-1]["messages"]
    assert shown[0]["role"] == "system"
    assert "no longer shown to you" in shown[1]["content"]
    assert shown[-1]["content"] == "SAY fits"
    assert list(find_breaches()) == []


def test_transcript_fits_context_window(client_for, alice, model):
    """An import or a smaller model can make a conversation many times too long."""
    conversation = make_conversation(make_agent(alice, context_window_limit=2000))
    make_messages(conversation, "the first", *[LONG] * 20)

    answer = send(client_for(alice), conversation, "SAY fits")

    assert answer.status_code == 200, answer.content
    for asked in model.requests:
        assert len(str(asked["messages"])) < 2000 * 4
    summed_up = model.requests[0]["messages"][1]["content"]
    assert "the first" in summed_up
    assert "\n[…]\n" in summed_up


def test_context_overflow_compacts_and_retries(client_for, alice, conversation, model):
    make_messages(conversation, *(f"note {n}" for n in range(8)))

    answer = send(client_for(alice), conversation, script(overflow(times=1), say("fits")))

    assert answer.status_code == 200, answer.content
    assert said(answer.json()["messages"]) == "fits"
    assert in_context(conversation)[1][0] == "summary"


def test_second_summary_includes_first(client_for, alice, conversation, model):
    client = client_for(alice)
    make_messages(conversation, "note 1", "note 2")
    first = compact(client, conversation, mode="all").json()["summary"]
    make_messages(conversation, "note 3", "note 4")

    compact(client, conversation, mode="all")

    assert first in model.requests[-1]["messages"][1]["content"]
    assert [role for role, _ in in_context(conversation)] == ["system", "summary"]
    assert conversation.message_links.filter(message__role="summary").count() == 2


def test_compact_rejects_too_few_messages(client_for, alice, conversation, model):
    make_messages(conversation, "hello")

    answer = compact(client_for(alice), conversation, mode="all")

    assert answer.status_code == 400
    assert "failed to reduce the number of messages" in answer.json()["detail"]
    assert model.requests == []


def test_failed_compaction_changes_nothing(client_for, alice, conversation):
    make_messages(conversation, "one", "two", "three", "four")
    before = in_context(conversation)

    answer = compact(client_for(alice), conversation, mode="all", model="openai/FAIL-MODEL")

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "llm_bad_request"
    assert in_context(conversation) == before
    assert Run.objects.get().status == "failed"


def test_compaction_conflicts_with_active_run(
    client_for, alice, conversation, in_thread, running_run, model
):
    make_messages(conversation, "one", "two", "three", "four")
    answer = in_thread(send, client_for(alice), conversation, script(hold(), say("slow")))
    running_run()

    assert compact(client_for(alice), conversation, mode="all").status_code == 409
    model.go_on()
    assert answer().status_code == 200


def test_compact_names_wrong_settings(client_for, alice, conversation):
    answer = compact(client_for(alice), conversation, mode="everything")

    assert answer.status_code == 422
    assert "'everything'" in answer.json()["detail"]


def test_agent_route_compacts_default_conversation(client_for, alice):
    agent = make_agent(alice)
    make_messages(agent.conversations.get(), "one", "two", "three")

    answer = client_for(alice).post(
        f"/v1/agents/{agent.pk}/summarize", {"compaction_settings": {"mode": "all"}}
    )

    assert answer.json()["num_messages_after"] == 2


def test_fork_continues_from_summary(client_for, alice):
    agent = make_agent(alice, context_window_limit=2000)
    conversation = make_conversation(agent)
    make_messages(conversation, *(f"note {n} {LONG}" for n in range(6)))
    compact(client_for(alice), conversation)

    fork = fork_conversation(conversation, by=actor(alice))

    assert in_context(fork)[1:] == in_context(conversation)[1:]
    assert list(find_breaches()) == []


def test_cancelled_compaction_conflicts(client_for, alice, conversation, in_thread, model):
    make_messages(conversation, "one", "two", "three", "four")
    before = in_context(conversation)
    answer = in_thread(
        compact, client_for(alice), conversation, mode="all", model="openai/SLOW-MODEL"
    )
    until(lambda: model.requests, seconds=60, what="the model is called")

    client_for(alice).post(f"/v1/conversations/{conversation.pk}/cancel")

    assert answer().status_code == 409
    assert answer().json()["detail"] == "CONFLICT: The compaction was cancelled"
    assert answer().json()["run_id"] == Run.objects.get().pk
    assert in_context(conversation) == before


@pytest.mark.parametrize(
    ("handle", "status", "expected"),
    [("nobody/x", 404, "Handle nobody/x not found"), ("nobody", 400, "provider/model-name")],
)
def test_compact_rejects_unknown_model(client_for, alice, conversation, handle, status, expected):
    make_messages(conversation, "one", "two", "three", "four")

    answer = compact(client_for(alice), conversation, mode="all", model=handle)

    assert answer.status_code == status
    assert expected in answer.json()["detail"]
    assert not Run.objects.exists()


@pytest.mark.parametrize("mode", ["all", "sliding_window"])
def test_compaction_keeps_call_awaiting_client(client_for, alice, conversation, model, mode):
    client = client_for(alice)
    make_messages(conversation, "one", "two", "three", "four")
    tools = [{"name": "weather"}]
    send(client, conversation, script(call("weather"), say("It rains")), client_tools=tools)

    assert compact(client, conversation, mode=mode).status_code == 200

    assert send(client, conversation, "SAY hello").json()["tool_call_ids"] == ["call_0"]
    fork = fork_conversation(conversation, by=actor(alice))
    for waiting in (conversation, fork):
        result = {"tool_call_id": "call_0", "tool_return": "rain"}
        body = {"messages": [{"type": "tool_return", "tool_returns": [result]}]}
        path = f"/v1/conversations/{waiting.pk}/messages"
        answer = client.post(path, {**body, "streaming": False})
        assert answer.status_code == 200, answer.content
        *_, called, returned = model.requests[-1]["messages"]
        assert [call["id"] for call in called["tool_calls"]] == ["call_0"]
        assert (returned["role"], returned["content"]) == ("tool", "rain")
    assert list(find_breaches()) == []


def test_compaction_keeps_call_of_new_result(client_for, alice, model):
    client = client_for(alice)
    conversation = make_conversation(make_agent(alice, context_window_limit=2000))
    tools = [{"name": "weather"}]
    make_messages(conversation, "one", "two")
    # The user message alone is longer than what a compaction keeps.
    send(client, conversation, script(call("weather"), LONG * 2), client_tools=tools)
    result = {"tool_call_id": "call_0", "tool_return": LONG * 2}
    body = {"messages": [{"type": "tool_return", "tool_returns": [result]}], "streaming": False}

    answer = client.post(f"/v1/conversations/{conversation.pk}/messages", body)

    assert answer.status_code == 200, answer.content
    shown = [message["role"] for message in model.requests[-1]["messages"]]
    assert shown == ["system", "user", "assistant", "tool"]
