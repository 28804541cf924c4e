import pytest

from conversations.domain.errors import BlockTooLong, NotFound
from conversations.domain.integrity.check import find_breaches
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.label_edits import edit_label

from ...factories import actor, make_agent, make_conversation


@pytest.fixture
def agent(alice):
    return make_agent(alice, labels=["human", "persona"])


def shared_of(agent, label="human"):
    return agent.blocks.get(label=label)


def append(text):
    return lambda block: {"value": block.value + text}


def test_edit_label_changes_isolated_block_only(agent):
    one, other = make_conversation(agent, isolated=["human"]), make_conversation(agent)

    effective = edit_label(one, "human", by=actor(), edit=append(", one"))

    assert (effective.origin, effective.block.value) == ("isolated", "about human, one")
    assert shared_of(agent).value == "about human"
    edit_label(other, "human", by=actor(), edit=append(", all"))
    assert shared_of(agent).value == "about human, all"
    assert shared_of(agent).revisions.first().conversation == other
    assert shared_of(agent, "persona").revisions.count() == 1


def test_edit_label_runs_on_fresh_row(agent):
    conversation = make_conversation(agent)

    def edit(block):
        return {"value": block.value + " and more"}

    write_block(shared_of(agent), by=actor(), value="the newest text")

    effective = edit_label(conversation, "human", by=actor(), edit=edit)

    assert effective.block.value == "the newest text and more"
    assert not effective.block.revisions.first().unconditional


def test_copy_on_write_isolates_at_first_edit(agent):
    write_block(shared_of(agent), by=actor(), copy_on_write=True)
    one, other = make_conversation(agent), make_conversation(agent)

    for text in (", once", ", twice"):
        effective = edit_label(one, "human", by=actor(), edit=append(text))

    assert (effective.origin, effective.block.value) == ("isolated", "about human, once, twice")
    assert (effective.version, effective.block.copy_on_write) == (3, False)
    assert shared_of(agent).value == "about human"
    assert other.isolations.count() == 0
    assert list(find_breaches()) == []


def test_rejected_edit_isolates_nothing(agent):
    write_block(shared_of(agent), by=actor(), copy_on_write=True, limit=20)
    conversation = make_conversation(agent)

    with pytest.raises(BlockTooLong):
        edit_label(conversation, "human", by=actor(), edit=append("!" * 20))

    assert conversation.isolations.count() == 0


def test_unknown_label_error_lists_labels(agent):
    with pytest.raises(NotFound, match="label 'humans'; its labels are 'human', 'persona'"):
        edit_label(make_conversation(agent), "humans", by=actor(), edit=append("x"))
