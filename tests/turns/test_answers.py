"""A message is sent, and the agent answers."""

from conversations.models import Run

from ..factories import make_agent, make_conversation
from .streams import events_of, said, types


def send(client, conversation, text, **fields):
    body = {"messages": [{"role": "user", "content": text}], **fields}
    return client.post(f"/v1/conversations/{conversation.pk}/messages", body)


def test_a_whole_answer(client_for, alice):
    conversation = make_conversation(make_agent(alice, labels=["human"]))

    response = send(client_for(alice), conversation, "SAY hello there", streaming=False)

    assert response.status_code == 200, response.content
    answer = response.json()
    [message] = answer["messages"]
    assert message["message_type"] == "assistant_message"
    assert message["content"] == "hello there"
    assert answer["stop_reason"]["stop_reason"] == "end_turn"
    assert answer["usage"]["step_count"] == 1
    run = Run.objects.get()
    assert run.status == Run.Status.COMPLETED
    assert message["run_id"] == run.pk


def test_a_stream_of_messages(client_for, alice):
    conversation = make_conversation(make_agent(alice, labels=["human"]))

    events = events_of(send(client_for(alice), conversation, "SAY hello there"))

    assert types(events) == ["assistant_message", "stop_reason", "usage_statistics"]
    assert said(events) == "hello there"


def test_a_stream_of_tokens(client_for, alice):
    conversation = make_conversation(make_agent(alice, labels=["human"]))

    events = events_of(send(client_for(alice), conversation, "SAY one two three", stream_tokens=True))

    assert [e["content"] for e in events[:3]] == ["one ", "two ", "three"]
    assert len({e["id"] for e in events[:3]}) == 1
    assert [e["seq_id"] for e in events[:3]] == [1, 2, 3]
