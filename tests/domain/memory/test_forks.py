import pytest

from conversations.domain.conversations.agents import detach_block
from conversations.domain.conversations.conversations import fork_conversation
from conversations.domain.errors import Conflict, InvalidArgument
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.effective import effective_blocks
from conversations.domain.memory.forks import ForkChoice
from conversations.models import Conversation, Drift

from ...factories import actor, make_agent, make_conversation, make_messages


@pytest.fixture
def source(alice):
    """Create a conversation with edited `human` and `todo`; the shared `human` changed later."""
    agent = make_agent(alice, labels=["human", "todo"])
    conversation = make_conversation(agent, isolated=["human", "todo"])
    for isolation in conversation.isolations.all():
        write_block(isolation.block, by=actor(), value=f"my {isolation.label}")
    write_block(agent.blocks.get(label="human"), by=actor(), value="about everybody")
    return conversation


def fork(conversation, **choices):
    return fork_conversation(conversation, by=actor(), choices=choices)


def read(conversation):
    return {e.label: (e.origin, e.block.value, e.drift) for e in effective_blocks(conversation)}


def test_fork_copies_labels_without_a_choice(source):
    assert read(fork(source)) == {
        "human": ("isolated", "my human", Drift.DIVERGED),
        "todo": ("isolated", "my todo", Drift.ISOLATED_CHANGED),
    }


def test_fork_shares_and_resets_chosen_labels(source):
    before = read(source)

    assert read(fork(source, human=ForkChoice.SHARE, todo=ForkChoice.RESET)) == {
        "human": ("shared", "about everybody", None),
        "todo": ("isolated", "about todo", Drift.IN_SYNC),
    }
    assert read(source) == before


def test_reset_choice_sets_base_to_present_shared_text(source):
    [isolation] = fork(source, human=ForkChoice.RESET, todo=ForkChoice.SHARE).isolations.all()

    assert (isolation.base_value, isolation.base_version) == ("about everybody", 2)


def test_choice_for_label_not_isolated_creates_nothing(source):
    with pytest.raises(InvalidArgument, match=r"'mood'; its isolated labels are 'human', 'todo'"):
        fork(source, mood=ForkChoice.COPY)

    assert not Conversation.objects.filter(forked_from=source).exists()


def test_reset_choice_conflicts_when_shared_is_gone(source):
    agent = source.agent
    detach_block(agent, agent.blocks.get(label="todo"), by=actor())

    with pytest.raises(Conflict, match="no longer has a block with label 'todo'"):
        fork(source, todo=ForkChoice.RESET)

    assert read(fork(source))["todo"] == ("isolated", "my todo", Drift.SHARED_GONE)


def test_fork_of_fork_keeps_lineage_texts_and_messages(source):
    [asked, answered] = make_messages(source, "hello", "hi")
    child = fork(source)
    write_block(child.isolations.get(label="todo").block, by=actor(), value="the child's")
    grandchild = fork(child)
    at_the_first = fork_conversation(grandchild, by=actor(), at=asked)

    assert read(grandchild)["todo"][1] == "the child's"
    assert read(source)["todo"][1] == "my todo"
    assert (at_the_first.forked_from, at_the_first.forked_at_message) == (grandchild, asked)
    assert (grandchild.forked_from.forked_from, grandchild.forked_at_message) == (source, answered)
    held = at_the_first.message_links.filter(position__gt=0)
    assert [link.message for link in held] == [asked]
