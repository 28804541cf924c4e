import pytest

from conversations.domain.conversations.messages import append_messages, text_message
from conversations.models import Message

from ..factories import actor, make_agent, make_conversation, make_messages, make_run

CALL = {"id": "call-1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.fixture
def conversation(alice):
    """Create a conversation with a message of each wire type, which is also its text."""
    conversation = make_conversation(make_agent(alice))
    append_messages(
        conversation,
        [
            text_message("user", "question", otid="mine", sender_id="bob"),
            Message(
                role="assistant",
                content=[
                    {"type": "reasoning", "reasoning": "hmm", "signature": "s"},
                    {"type": "text", "text": "calling"},
                ],
                tool_calls=[CALL],
            ),
            Message(
                role="tool",
                name="f",
                tool_call_id="call-1",
                tool_returns=[
                    {"tool_call_id": "call-1", "status": "success", "func_response": "done"}
                ],
            ),
            text_message("assistant", "answer", group_id="g"),
            text_message("summary", "so far"),
            text_message("user", "failed", is_err=True),
        ],
        by=actor(alice),
    )
    return conversation


def kinds(messages: list[dict]) -> list[str]:
    return [message["message_type"].removesuffix("_message") for message in messages]


def test_each_message_type_on_the_wire(client_for, alice, conversation):
    client = client_for(alice)

    messages = client.get(f"/v1/conversations/{conversation.pk}/messages?order=asc").json()

    rows = [link.message for link in conversation.message_links.order_by("position")]
    common = ("id", "date", "sender_id", "step_id", "is_err", "seq_id", "run_id", "name", "otid")
    parts = [{k: v for k, v in m.items() if k not in common} for m in messages]
    call = {"name": "f", "arguments": "{}", "tool_call_id": "call-1"}
    result = {
        "tool_return": "done",
        "status": "success",
        "tool_call_id": "call-1",
        "stdout": None,
        "stderr": None,
    }
    assert parts == [
        {"message_type": "system_message", "content": rows[0].text},
        {"message_type": "user_message", "content": "question"},
        {
            "message_type": "reasoning_message",
            "source": "reasoner_model",
            "reasoning": "hmm",
            "signature": "s",
        },
        {"message_type": "assistant_message", "content": "calling"},
        {"message_type": "tool_call_message", "tool_call": call, "tool_calls": [call]},
        {
            "message_type": "tool_return_message",
            **result,
            "tool_returns": [{"type": "tool", **result}],
        },
        {"message_type": "assistant_message", "content": "answer"},
        {"message_type": "summary_message", "summary": "so far"},
        {"message_type": "user_message", "content": "failed"},
    ]
    assert [m["id"] for m in messages] == [rows[i].pk for i in (0, 1, 2, 2, 2, 3, 4, 5, 6)]
    assert (messages[1]["otid"], messages[1]["sender_id"]) == ("mine", "bob")
    assert len({m["otid"] for m in messages[2:5]}) == 3
    assert messages[5]["name"] == "f"
    assert messages[1]["date"] == f"{rows[1].created_at:%Y-%m-%dT%H:%M:%S}+00:00"


def test_retrieve_returns_every_part_of_message(client_for, alice, conversation):
    """V1 returned only the reasoning."""
    message = conversation.messages.get(content__has_part="reasoning")

    reply = client_for(alice).get(f"/v1/messages/{message.pk}")

    assert kinds(reply.json()) == ["reasoning", "assistant", "tool_call"]


@pytest.mark.parametrize(
    ("types", "found"),
    [
        (["user_message"], ["user", "user"]),
        (["assistant_message"], ["assistant", "assistant"]),
        (["reasoning_message"], ["reasoning"]),
        (["tool_call_message", "tool_return_message"], ["tool_return", "tool_call"]),
        (["summary_message"], ["summary"]),
        (["system_message"], ["system"]),
        (["event_message"], []),
    ],
)
@pytest.mark.parametrize("path", ["conversations/{conv}/messages", "agents/{agent}/messages"])
def test_type_filter_applies_before_limit(client_for, alice, conversation, path, types, found):
    """V1 filtered each page after the limit, so a page could be empty before the end."""
    client = client_for(alice)
    # Without a system message.
    default = conversation.agent.conversations.get(is_default=True)
    default.messages.all().delete()
    path = f"/v1/{path.format(conv=conversation.pk, agent=conversation.agent_id)}"
    seen, query = [], {"limit": 1, "order": "desc", "include_return_message_types": types}
    # Lists of an agent are oldest first: an older page is before its first message.
    cursor = "before" if "/agents/" in path else "after"

    while page := client.get(path, query).json():
        seen += page
        query[cursor] = page[-1]["id"]

    assert kinds(seen) == found


@pytest.mark.parametrize(
    ("query", "contents"),
    [
        ("include_err=false", ["question"]),
        ("include_err=true", ["failed", "question"]),
        ("", ["failed", "question"]),
    ],
)
def test_messages_of_failed_steps_can_be_excluded(client_for, alice, conversation, query, contents):
    path = f"/v1/conversations/{conversation.pk}/messages?include_return_message_types=user_message"

    reply = client_for(alice).get(f"{path}&{query}")

    assert [message["content"] for message in reply.json()] == contents


def test_messages_filter_by_group(client_for, alice, conversation):
    reply = client_for(alice).get(f"/v1/conversations/{conversation.pk}/messages?group_id=g")

    assert [message["content"] for message in reply.json()] == ["answer"]


def test_list_includes_compacted_messages(client_for, alice):
    conversation = make_conversation(make_agent(alice))
    [old, new] = make_messages(conversation, "old", "new")
    conversation.message_links.filter(message=old).update(in_context=False)
    client = client_for(alice)

    history = client.get(f"/v1/conversations/{conversation.pk}/messages").json()
    now = client.get(f"/v1/conversations/{conversation.pk}").json()["in_context_message_ids"]

    assert [message["id"] for message in history[:2]] == [new.pk, old.pk]
    assert now[1:] == [new.pk]


def test_agent_messages_cover_all_conversations(client_for, alice):
    agent, other = make_agent(alice), make_agent(alice)
    for conversation, text in [
        (agent.conversations.get(), "own"),
        (make_conversation(agent), "second"),
        (other.conversations.get(), "other agent"),
    ]:
        make_messages(conversation, text)
    client = client_for(alice)
    wanted = "include_return_message_types=user_message"

    texts = {
        path: [m["content"] for m in client.get(f"/v1/{path}{wanted}").json()]
        for path in (
            f"agents/{agent.pk}/messages?",
            f"agents/{agent.pk}/messages?conversation_id=default&",
            f"conversations/default/messages?agent_id={agent.pk}&",
            f"conversations/{agent.pk}/messages?",
            f"messages/?conversation_id={agent.pk}&",
            "messages/?",
        )
    }

    assert list(texts.values()) == [
        ["own", "second"],
        ["own"],
        ["own"],
        ["own"],
        ["own"],
        ["own", "second", "other agent"],
    ]


def test_message_shared_by_fork_is_listed_once(client_for, alice):
    conversation = make_conversation(make_agent(alice))
    make_messages(conversation, "shared")
    client = client_for(alice)
    client.post(f"/v1/conversations/{conversation.pk}/fork")

    reply = client.get(
        f"/v1/agents/{conversation.agent_id}/messages?include_return_message_types=user_message"
    )

    assert [message["content"] for message in reply.json()] == ["shared"]


def test_message_has_run_id(client_for, alice):
    conversation = make_conversation(make_agent(alice))
    run = make_run(conversation)
    append_messages(
        conversation, [text_message("user", "hello")], by=actor(alice)._replace(run=run)
    )

    reply = client_for(alice).get(f"/v1/conversations/{conversation.pk}/messages?limit=1")

    assert reply.json()[0]["run_id"] == run.pk
