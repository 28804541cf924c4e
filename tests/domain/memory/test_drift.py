import pytest

from conversations.domain.conversations.agents import detach_block
from conversations.domain.errors import BlockTooLong, Conflict, NotFound
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.drift import (
    Hunk,
    MergeConflict,
    SharedMoved,
    compare,
    promote,
    rebase,
    reset,
)
from conversations.domain.memory.effective import effective_blocks
from conversations.models import Drift, IsolatedBlock
from conversations.models.drift import drift_of

from ...factories import actor, make_agent, make_conversation

LINES = "one\ntwo\nthree\nfour"


@pytest.fixture
def agent(alice):
    return make_agent(alice, memory_blocks=[{"label": "human", "value": LINES}])


@pytest.fixture
def conversation(agent):
    return make_conversation(agent, isolated=["human"])


def shared_of(conversation):
    return conversation.agent.block_links.get(label="human").block


def own_of(conversation):
    return conversation.isolations.get(label="human").block


def write(block, value):
    return write_block(block, by=actor(), value=value)


# (shared, isolated): together with the base LINES, every combination of equal and different.
CASES = {
    (LINES, LINES): Drift.IN_SYNC,
    (LINES, "mine"): Drift.ISOLATED_CHANGED,
    ("theirs", LINES): Drift.SHARED_CHANGED,
    ("theirs", "mine"): Drift.DIVERGED,
    ("the same", "the same"): Drift.IN_SYNC,
    (None, LINES): Drift.SHARED_GONE,
    (None, "mine"): Drift.SHARED_GONE,
}


@pytest.mark.parametrize(("shared", "isolated"), CASES)
def test_drift_is_the_same_in_python_and_in_sql(alice, conversation, shared, isolated):
    expected = CASES[shared, isolated]
    write(own_of(conversation), isolated)
    if shared is None:
        detach_block(conversation.agent, shared_of(conversation), by=actor(alice))
    else:
        write(shared_of(conversation), shared)

    [effective] = effective_blocks(conversation)
    row = IsolatedBlock.objects.with_drift().get(conversation=conversation)

    assert drift_of(base=LINES, shared=shared, isolated=isolated) == expected
    assert (effective.drift, row.drift) == (expected, expected)
    assert IsolatedBlock.objects.of_drifts([expected]).get() == row


def test_compare_shows_changes_of_both_sides_since_base(conversation):
    write(shared_of(conversation), "zero\n" + LINES)
    write(own_of(conversation), LINES.replace("two", "2"))

    comparison = compare(conversation, "human")

    assert [piece.text for piece in comparison.shared_changes if piece.change == "added"] == [
        "zero\n"
    ]
    assert [tuple(p) for p in comparison.isolated_changes if p.change != "same"] == [
        ("removed", "two\n"),
        ("added", "2\n"),
    ]
    assert comparison.unified.splitlines()[:2] == ["--- shared", "+++ isolated"]


def test_promote_writes_shared_block_and_sets_base(alice, conversation):
    write(own_of(conversation), "better")
    others = [make_conversation(conversation.agent) for _ in range(2)]

    promotion = promote(conversation, "human", by=actor(alice))

    shared = shared_of(conversation)
    assert (shared.value, shared.revisions.first().source) == ("better", "promote")
    assert shared.revisions.first().conversation == conversation
    assert (promotion.applied, promotion.agents) == (True, 1)
    # The default conversation and the two others read it; this conversation has isolated it.
    assert promotion.conversations == len(others) + 1
    isolation = conversation.isolations.get()
    assert (isolation.base_value, isolation.base_version) == ("better", 2)
    assert compare(conversation, "human").effective.drift == Drift.IN_SYNC


def test_promote_conflicts_when_shared_changed(alice, conversation):
    write(shared_of(conversation), "theirs")
    write(own_of(conversation), "mine")

    with pytest.raises(SharedMoved, match="has changed since it was isolated") as error:
        promote(conversation, "human", by=actor(alice))

    assert error.value.comparison.effective.drift == "diverged"
    assert error.value.shared.value == "theirs"
    assert shared_of(conversation).value == "theirs"
    assert promote(conversation, "human", by=actor(alice), force=True).block.value == "mine"


def test_promote_over_shared_limit_changes_nothing(alice, conversation):
    write_block(shared_of(conversation), by=actor(alice), limit=30)
    write(own_of(conversation), "x" * 31)

    with pytest.raises(BlockTooLong):
        promote(conversation, "human", by=actor(alice))

    assert shared_of(conversation).value == LINES
    assert conversation.isolations.get().base_value == LINES


def test_dry_run_of_promote_writes_nothing(conversation):
    write(own_of(conversation), "better")

    promotion = promote(conversation, "human", by=actor(), dry_run=True)

    assert (promotion.applied, promotion.block.value) == (True, "better")
    assert shared_of(conversation).value == LINES


def test_reset_takes_shared_text(alice, conversation):
    write_block(shared_of(conversation), by=actor(), value="theirs", description="d", limit=50)
    write(own_of(conversation), "mine")

    effective = reset(conversation, "human", by=actor(alice))

    own = own_of(conversation)
    assert (own.value, own.description, own.limit) == ("theirs", "d", 50)
    assert own.revisions.first().source == "reset"
    assert effective.drift == Drift.IN_SYNC


def test_rebase_keeps_changes_of_both_sides(alice, conversation):
    write(shared_of(conversation), LINES + "\nfive")
    write(own_of(conversation), LINES.replace("one", "1"))

    effective = rebase(conversation, "human", by=actor(alice))

    assert own_of(conversation).value == "1\ntwo\nthree\nfour\nfive"
    assert own_of(conversation).revisions.first().source == "rebase"
    assert conversation.isolations.get().base_value == LINES + "\nfive"
    assert effective.drift == Drift.ISOLATED_CHANGED


def test_rebase_conflict_writes_nothing_until_resolved(alice, conversation):
    write(shared_of(conversation), LINES.replace("two", "zwei"))
    write(own_of(conversation), LINES.replace("two", "deux"))

    with pytest.raises(MergeConflict) as error:
        rebase(conversation, "human", by=actor(alice))

    assert error.value.conflicts == [Hunk(base="two", shared="zwei", isolated="deux")]
    assert error.value.merged == (
        "one\n<<<<<<< shared\nzwei\n=======\ndeux\n>>>>>>> isolated\nthree\nfour"
    )
    assert own_of(conversation).version == 2
    assert conversation.isolations.get().base_value == LINES
    rebase(conversation, "human", by=actor(alice), resolution="one\nzwei, deux\nthree\nfour")
    assert own_of(conversation).value == "one\nzwei, deux\nthree\nfour"
    assert conversation.isolations.get().base_value == LINES.replace("two", "zwei")


def test_dry_run_of_rebase_writes_nothing(conversation):
    write(shared_of(conversation), LINES + "\nfive")

    assert rebase(conversation, "human", by=actor(), dry_run=True).block.value == LINES + "\nfive"
    assert own_of(conversation).value == LINES


@pytest.mark.parametrize("verb", [promote, reset, rebase])
def test_verbs_conflict_when_shared_is_gone(alice, conversation, verb):
    write(own_of(conversation), "mine")
    detach_block(conversation.agent, shared_of(conversation), by=actor(alice))

    with pytest.raises(Conflict, match="no longer has a block with label 'human'"):
        verb(conversation, "human", by=actor(alice))

    assert own_of(conversation).value == "mine"


@pytest.mark.parametrize("verb", [promote, reset, rebase])
def test_compare_label_not_isolated_is_not_found(alice, agent, verb):
    with pytest.raises(NotFound, match="has not isolated the label 'human'"):
        verb(make_conversation(agent), "human", by=actor(alice))
