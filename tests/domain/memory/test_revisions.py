"""Undo, redo and restore write new revisions and keep the old ones."""

from datetime import timedelta

import pytest
from django.utils import timezone

from conversations.domain.conversations.agents import attach_block, detach_block, update_agent
from conversations.domain.conversations.conversations import fork_conversation
from conversations.domain.errors import InvalidArgument, NotFound, StaleVersion
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.drift import promote, rebase, reset
from conversations.domain.memory.effective import effective_blocks
from conversations.domain.memory.isolation import isolate_label, release_label
from conversations.domain.memory.periods import effective_blocks_at, time_of
from conversations.domain.memory.revisions import (
    NothingToRedo,
    NothingToUndo,
    diff_revisions,
    redo,
    restore_revision,
    undo,
)
from conversations.models import Drift

from ...factories import actor, make_agent, make_block, make_conversation, make_messages


@pytest.fixture
def block(alice):
    """Create a block with the texts A, B and C in revisions 1, 2 and 3."""
    block = make_block(alice, value="A")
    for value in "BC":
        block = write(block, value)
    return block


def write(block, value, **fields):
    return write_block(block, by=actor(), value=value, **fields)


def texts(block):
    return "".join(block.revisions.order_by("number").values_list("value", flat=True))


def test_undo_and_redo_go_step_by_step(block):
    said = [
        step(block, by=actor()).value for step in (undo, undo, redo, redo, undo, redo, undo, undo)
    ]

    assert said == list("BABCBCBA")
    assert texts(block) == "ABC" + "BABCBCBA"


def test_first_version_cannot_be_undone(block):
    restored = [undo(block, by=actor()) for _ in range(2)]

    with pytest.raises(NothingToUndo, match="nothing to undo"):
        undo(block, by=actor())

    assert restored[-1].version == 5
    assert block.revisions.count() == 5


def test_redo_needs_an_undo(block):
    with pytest.raises(NothingToRedo):
        redo(block, by=actor())

    undo(block, by=actor())
    redo(block, by=actor())
    with pytest.raises(NothingToRedo):
        redo(block, by=actor())


def test_edit_after_undo_begins_branch_and_keeps_old_one(block):
    undo(block, by=actor())
    write(block, "D")

    with pytest.raises(NothingToRedo):
        redo(block, by=actor())
    assert undo(block, by=actor()).value == "B"
    assert undo(block, by=actor()).value == "A"
    assert texts(block) == "ABCBDBA"


def test_restore_can_be_undone(alice, block):
    restored = restore_revision(block, 1, by=actor(alice), reason="the old one was right")
    undone = undo(block, by=actor(alice))

    newest, restore = block.revisions.all()[:2]
    assert (restored.value, undone.value) == ("A", "C")
    assert (restore.source, restore.restored_number) == ("restore", 1)
    assert (restore.reason, restore.written_by) == ("the old one was right", alice)
    assert (newest.source, newest.restored_number) == ("undo", 3)


def test_restore_of_current_state_writes_no_revision(block):
    assert restore_revision(block, 3, by=actor()).version == 3
    assert texts(block) == "ABC"


def test_undo_restores_every_field(alice):
    block = make_block(alice, value="A", tags=["old"], metadata={"n": 1})
    write_block(block, by=actor(), tags=["new"], metadata={"n": 2}, read_only=True, limit=7)

    block = undo(block, by=actor())

    assert (block.tags, block.metadata, block.read_only) == (["old"], {"n": 1}, False)
    assert (block.value, block.limit) == ("A", 100_000)


def test_undo_at_older_version_writes_nothing(block):
    with pytest.raises(StaleVersion, match="is at version 3; this write was based on version 2"):
        undo(block, by=actor(), expected_version=2)

    assert texts(block) == "ABC"


def test_unknown_revision_is_not_found(block):
    with pytest.raises(NotFound, match="has no revision 9; its newest is 3"):
        restore_revision(block, 9, by=actor())


def test_diff_between_any_two_revisions(block):
    change = diff_revisions(block, 1, 3)

    assert [tuple(part) for part in change.parts] == [("removed", "A"), ("added", "C")]
    assert change.unified == "--- revision 1\n+++ revision 3\n@@ -1 +1 @@\n-A\n+C"
    assert diff_revisions(block).older.number == 2


# Undo of verbs that moved the base of an isolated block


@pytest.fixture
def conversation(alice):
    agent = make_agent(alice, memory_blocks=[{"label": "human", "value": "one\ntwo\nthree"}])
    conversation = make_conversation(agent, isolated=["human"])
    write(own_of(conversation), "ONE\ntwo\nthree")
    write(shared_of(conversation), "one\ntwo\nTHREE")
    return conversation


def shared_of(conversation):
    return conversation.agent.block_links.get(label="human").block


def own_of(conversation):
    return conversation.isolations.get(label="human").block


def drift_of(conversation):
    return effective_blocks(conversation)[0].drift


def test_undo_of_rebase_restores_older_base(conversation):
    rebase(conversation, "human", by=actor())
    assert drift_of(conversation) == Drift.ISOLATED_CHANGED

    undo(own_of(conversation), by=actor())
    # Otherwise a promotion would silently overwrite the shared THREE.
    assert drift_of(conversation) == Drift.DIVERGED

    redo(own_of(conversation), by=actor())
    assert own_of(conversation).value == "ONE\ntwo\nTHREE"
    assert drift_of(conversation) == Drift.ISOLATED_CHANGED


def test_undo_of_reset_restores_isolated_text(conversation):
    reset(conversation, "human", by=actor())

    undo(own_of(conversation), by=actor())

    assert own_of(conversation).value == "ONE\ntwo\nthree"
    assert drift_of(conversation) == Drift.DIVERGED


def test_undo_keeps_base_set_by_promotion(conversation):
    rebase(conversation, "human", by=actor())
    promote(conversation, "human", by=actor())

    undo(own_of(conversation), by=actor())

    assert shared_of(conversation).value == "ONE\ntwo\nTHREE"
    assert drift_of(conversation) == Drift.ISOLATED_CHANGED


# Memory at an earlier time


def read_at(conversation, moment):
    return {
        past.label: (past.block.value, past.origin, past.version)
        for past in effective_blocks_at(conversation, moment)
    }


def test_memory_at_a_time_has_texts_and_blocks_of_that_time(alice):
    agent = make_agent(alice, labels=["human", "persona"])
    human = agent.blocks.get(label="human")
    conversation = make_conversation(agent)
    moments = [timezone.now()]

    def after(step):
        step()
        moments.append(timezone.now())

    after(lambda: write(human, "Alice"))
    after(lambda: isolate_label(conversation, "human", by=actor(), value="mine"))
    after(lambda: write(own_of(conversation), "mine, edited"))
    after(lambda: detach_block(agent, human, by=actor()))
    after(lambda: release_label(conversation, "human", by=actor()))
    after(lambda: attach_block(agent, human, by=actor()))

    assert [read_at(conversation, moment).get("human") for moment in moments] == [
        ("about human", "shared", 1),
        ("Alice", "shared", 2),
        ("mine", "isolated", 1),
        ("mine, edited", "isolated", 2),
        ("mine, edited", "isolated", 2),
        None,
        ("Alice", "shared", 2),
    ]
    # In prompt order at that time: a block that is attached again comes last.
    assert list(read_at(conversation, moments[0])) == ["human", "persona"]
    assert list(read_at(conversation, moments[-1])) == ["persona", "human"]


def test_memory_now_equals_effective_blocks(alice):
    agent = make_agent(alice, labels=["human", "persona", "policy"])
    conversation = make_conversation(agent, isolated=["persona"])
    blocks = [agent.blocks.get(label=label) for label in ("policy", "human")]
    update_agent(agent, by=actor(), blocks=blocks)
    write_block(blocks[0], by=actor(), label="rules")

    past = read_at(conversation, timezone.now())

    effective = effective_blocks(conversation)
    assert past == {e.label: (e.block.value, e.origin, e.version) for e in effective}
    assert list(past) == ["rules", "human", "persona"]


def test_memory_at_message_of_original_three_forks_back(alice):
    first = make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    message = make_messages(first, "hello")[0]
    write(own_of(first), "later")
    fork = first
    for _ in range(3):
        fork = fork_conversation(fork, by=actor())

    then = read_at(fork, time_of(fork, message.pk))

    assert then == {"human": ("about human", "isolated", 1)}
    assert read_at(fork, timezone.now()) == {"human": ("later", "isolated", 1)}


def test_memory_before_creation_is_rejected(alice):
    conversation = make_conversation(make_agent(alice, labels=["human"]))

    with pytest.raises(InvalidArgument, match="began at"):
        effective_blocks_at(conversation, conversation.created_at - timedelta(days=1))


def test_message_of_another_conversation_is_not_found(alice):
    agent = make_agent(alice)
    message = make_messages(make_conversation(agent), "hello")[0]

    with pytest.raises(NotFound, match="is not in conversation"):
        time_of(make_conversation(agent), message.pk)
