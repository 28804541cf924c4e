from collections import Counter
from itertools import islice

import pytest

from conversations.domain.conversations.agents import detach_block
from conversations.domain.errors import UnknownLabels
from conversations.domain.integrity.check import find_breaches
from conversations.domain.memory import bulk
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.bulk import rebase_all, reset_all
from conversations.domain.memory.drift import rebase, reset
from conversations.domain.memory.effective import effective_blocks
from conversations.ids import new_id
from conversations.models import BlockRevision, Drift

from ...factories import actor, make_agent, make_conversation

LINES = "one\ntwo\nthree"


@pytest.fixture
def agent(alice):
    """Create an agent with three conversations that changed no line, the first or the last."""
    agent = make_agent(alice, memory_blocks=[{"label": "human", "value": LINES}])
    for text in (LINES, "ONE\ntwo\nthree", "one\ntwo\nmine"):
        conversation = make_conversation(agent, isolated=["human"], summary=text)
        write_block(conversation.isolations.get().block, by=actor(), value=text)
    write_block(agent.blocks.get(), by=actor(), value="one\ntwo\nTHREE")
    return agent


def texts(agent):
    rows = agent.conversations.filter(is_default=False).order_by("created_at")
    return [conversation.isolations.get().block.value for conversation in rows]


def outcomes(rows):
    return Counter(row.outcome for row in rows)


def test_rebase_all_merges_and_reports_conflicts(agent):
    rows = list(rebase_all(agent, "human", by=actor()))

    assert texts(agent) == ["one\ntwo\nTHREE", "ONE\ntwo\nTHREE", "one\ntwo\nmine"]
    assert outcomes(rows) == {"applied": 2, "conflict": 1}
    [conflict] = [row for row in rows if row.outcome == "conflict"]
    assert "changed the same lines in 1 place(s)" in conflict.detail
    assert BlockRevision.objects.filter(source="rebase").count() == 2
    assert list(find_breaches()) == []


def test_second_run_changes_nothing(agent):
    list(rebase_all(agent, "human", by=actor()))
    revisions = BlockRevision.objects.count()

    again = outcomes(rebase_all(agent, "human", by=actor()))

    assert again == {"unchanged": 2, "conflict": 1}
    assert BlockRevision.objects.count() == revisions


def test_run_after_interruption_does_the_rest(alice, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH_SIZE", 2)
    agent = make_agent(alice, memory_blocks=[{"label": "human", "value": LINES}])
    for _ in range(5):
        make_conversation(agent, isolated=["human"])
    write_block(agent.blocks.get(), by=actor(), value="new")

    first = list(islice(rebase_all(agent, "human", by=actor()), 3))
    rest = outcomes(rebase_all(agent, "human", by=actor()))

    assert outcomes(first) == {"applied": 3}
    assert rest == {"applied": 1, "unchanged": 4}
    assert texts(agent) == ["new"] * 5
    assert BlockRevision.objects.filter(source="rebase").count() == 5


def test_reset_all_of_one_drift(agent):
    rows = list(reset_all(agent, "human", by=actor(), drifts=[Drift.DIVERGED]))

    assert outcomes(rows) == {"applied": 2}
    assert texts(agent) == [LINES, "one\ntwo\nTHREE", "one\ntwo\nTHREE"]


def test_dry_run_reports_the_same_and_writes_nothing(agent):
    before = texts(agent), BlockRevision.objects.count()

    dry = list(rebase_all(agent, "human", by=actor(), dry_run=True))

    assert (texts(agent), BlockRevision.objects.count()) == before
    assert list(rebase_all(agent, "human", by=actor())) == dry


def test_ineligible_conversations_are_skipped_with_reason(alice, agent):
    strange = [new_id("conv"), make_conversation(agent).pk]
    chosen = agent.conversations.filter(summary=LINES).get().pk

    rows = list(reset_all(agent, "human", by=actor(), conversation_ids=[chosen, *strange]))

    assert [(row.conversation_id, row.outcome) for row in rows] == [
        (chosen, "applied"),
        (strange[0], "skipped"),
        (strange[1], "skipped"),
    ]
    assert "has this id and isolated 'human'" in rows[1].detail


def test_all_are_skipped_when_shared_is_gone(agent):
    detach_block(agent, agent.blocks.get(), by=actor())

    rows = list(rebase_all(agent, "human", by=actor()))

    assert outcomes(rows) == {"skipped": 3}
    assert "no longer has a block with label 'human'" in rows[0].detail


def test_text_over_isolated_limit_is_skipped(agent):
    conversation = agent.conversations.get(summary=LINES)
    write_block(conversation.isolations.get().block, by=actor(), limit=len(LINES))
    write_block(agent.blocks.get(), by=actor(), value="long " * 20)

    rows = list(rebase_all(agent, "human", by=actor(), conversation_ids=[conversation.pk]))

    assert [(row.outcome, "at most 13 characters" in row.detail) for row in rows] == [
        ("skipped", True)
    ]


def test_unknown_label_is_rejected(agent):
    with pytest.raises(UnknownLabels, match="its labels are 'human'"):
        list(reset_all(agent, "mood", by=actor()))


@pytest.mark.parametrize("count", [2, 7])
def test_batch_query_count_does_not_grow_with_rows(alice, django_assert_num_queries, count):
    agent = make_agent(alice, memory_blocks=[{"label": "human", "value": LINES}])
    for _ in range(count):
        make_conversation(agent, isolated=["human"])
    write_block(agent.blocks.get(), by=actor(), value="new")

    with django_assert_num_queries(15):
        list(reset_all(agent, "human", by=actor()))

    default = agent.conversations.get(is_default=True)
    assert effective_blocks(default)[0].block.value == "new"


def test_bulk_and_single_verbs_leave_same_history_and_base(alice):
    agent = make_agent(alice, memory_blocks=[{"label": "human", "value": "a"}])
    one, other = [make_conversation(agent, isolated=["human"]) for _ in range(2)]

    def left_by(conversation):
        isolation = conversation.isolations.get()
        newest = isolation.block.revisions.first()
        base = (isolation.base_value, isolation.base_version, isolation.source_block_id)
        return base, newest.source, newest.unconditional, newest.base_version

    for single, verb in ((reset, reset_all), (rebase, rebase_all)):
        # The last shared text equals the base, at a later version.
        for value in ("b", "a"):
            write_block(agent.blocks.get(), by=actor(), value=value)
            single(one, "human", by=actor())
            list(verb(agent, "human", by=actor(), conversation_ids=[other.pk]))
            assert left_by(one) == left_by(other)
        write_block(agent.blocks.get(), by=actor(), value="c")
        write_block(agent.blocks.get(), by=actor(), value="a")
        single(one, "human", by=actor())
        list(verb(agent, "human", by=actor(), conversation_ids=[other.pk]))
        assert left_by(one) == left_by(other)
