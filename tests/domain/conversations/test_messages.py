from conversations.domain.conversations.messages import append_messages, text_message

from ...factories import actor, make_agent, make_conversation, make_messages


def test_append_takes_next_positions(alice):
    conversation = make_conversation(make_agent(alice))

    make_messages(conversation, "one", "two")
    make_messages(conversation, "three")

    links = conversation.message_links.order_by("position")
    assert [(link.position, link.in_context) for link in links] == [
        (0, True),
        (1, True),
        (2, True),
        (3, True),
    ]
    assert [link.message.text for link in links][1:] == ["one", "two", "three"]


def test_only_user_messages_set_last_message_at(alice):
    conversation = make_conversation(make_agent(alice))
    append_messages(conversation, [text_message("assistant", "hello")], by=actor(alice))
    conversation.refresh_from_db()
    before = conversation.last_message_at

    make_messages(conversation, "question")

    conversation.refresh_from_db()
    assert before is None
    assert conversation.last_message_at is not None


def test_message_gets_agent_and_organization(alice):
    conversation = make_conversation(make_agent(alice))

    [message] = make_messages(conversation, "hello")

    assert (message.agent, message.organization) == (conversation.agent, alice.organization)
    assert message.created_by == alice
