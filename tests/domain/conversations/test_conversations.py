import pytest

from conversations.domain.conversations.agents import delete_agent, restore_agent
from conversations.domain.conversations.conversations import (
    create_conversation,
    delete_conversation,
    fork_conversation,
    restore_conversation,
    update_conversation,
)
from conversations.domain.errors import Conflict, InvalidValue, NotFound, UnknownLabels
from conversations.domain.memory.blocks import write_block
from conversations.models import Block, Conversation, ConversationMessage, Message

from ...factories import actor, make_agent, make_conversation, make_messages


def test_failed_create_leaves_nothing(alice):
    agent = make_agent(alice, labels=["human"])

    with pytest.raises(UnknownLabels, match=r"'nolabel'; its labels are 'human'"):
        create_conversation(agent, by=actor(alice), isolated_labels=["human", "nolabel"])

    counts = [m.objects.count() for m in (Conversation, Block, Message, ConversationMessage)]
    assert counts == [1, 1, 1, 1]


def test_context_window_of_zero_is_rejected(alice):
    conversation = make_conversation(make_agent(alice))

    with pytest.raises(InvalidValue, match="context_window_limit: expected at least 1 token"):
        update_conversation(conversation, by=actor(alice), context_window_limit=0)

    conversation.refresh_from_db()
    assert (conversation.context_window_limit, conversation.version) == (None, 1)


def test_deleted_conversation_cannot_be_changed_or_forked(alice):
    conversation = make_conversation(make_agent(alice))
    delete_conversation(conversation, by=actor(alice))

    for change in (update_conversation, fork_conversation, delete_conversation):
        with pytest.raises(NotFound, match=conversation.pk):
            change(conversation, by=actor(alice))

    assert restore_conversation(conversation, by=actor(alice)).deleted_at is None


def test_restore_agent_skips_conversations_deleted_before(alice):
    agent = make_agent(alice, labels=["human"])
    kept, gone = (make_conversation(agent, isolated=["human"]) for _ in range(2))
    delete_conversation(gone, by=actor(alice))
    delete_agent(agent, by=actor(alice))
    shared = agent.blocks.get()
    write_block(shared, by=actor(alice), value="edited meanwhile")
    hidden = list(Conversation.objects.live())

    restore_agent(agent, by=actor(alice))

    assert hidden == []
    assert set(Conversation.objects.live()) == {kept, agent.conversations.get(is_default=True)}
    default = agent.conversations.get(is_default=True)
    assert "edited meanwhile" in default.messages.get().text


def test_default_conversation_cannot_be_deleted(alice):
    default = make_agent(alice).conversations.get()

    with pytest.raises(Conflict, match="lives as long as the agent"):
        delete_conversation(default, by=actor(alice))


@pytest.mark.parametrize("compacted", [False, True])
def test_fork_at_message_takes_context_of_that_time(alice, compacted):
    source = make_conversation(make_agent(alice))
    [one, two, three] = make_messages(source, "one", "two", "three")
    if compacted:
        source.message_links.filter(message__in=[one, two]).update(in_context=False)

    fork = fork_conversation(source, by=actor(alice), at=two)

    assert [link.message for link in fork.message_links.order_by("position")][1:] == [one, two]
    assert [link.position for link in fork.message_links.order_by("position")] == [0, 1, 2]
    assert three not in fork.messages.all()


def test_fork_of_compacted_conversation_shares_context(alice):
    source = make_conversation(make_agent(alice))
    [one, two] = make_messages(source, "one", "two")
    source.message_links.filter(message=one).update(in_context=False)

    fork = fork_conversation(source, by=actor(alice))

    assert list(fork.messages.exclude(role="system")) == [two]
    assert fork.forked_at_message == two
