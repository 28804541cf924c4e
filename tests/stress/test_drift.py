"""Promote, reset and rebase during concurrent edits."""

import pytest

from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.drift import SharedMoved, promote, rebase, reset
from conversations.domain.memory.isolation import release_label
from conversations.models import Block

from ..factories import actor, make_agent, make_conversation, make_member
from .threads import at_once

pytestmark = [pytest.mark.postgres_only, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def conversation():
    agent = make_agent(make_member(), memory_blocks=[{"label": "human", "value": "one\ntwo"}])
    return make_conversation(agent, isolated=["human"])


def numbers_of(block: Block) -> list[int]:
    return sorted(block.revisions.values_list("number", flat=True))


def test_promote_during_shared_edits_loses_no_edit(conversation):
    shared = conversation.agent.block_links.get().block
    own = conversation.isolations.get().block

    def call(writer: int):
        if writer % 2:
            return write_block(shared, by=actor(), value=f"shared by {writer}")
        write_block(own, by=actor(), value=f"own by {writer}")
        return promote(conversation, "human", by=actor())

    answers = at_once(call, times=5)

    # A promotion fails if the shared block was edited after the base was set.
    assert all(isinstance(a, SharedMoved) for a in answers if isinstance(a, Exception))
    assert any(isinstance(a, SharedMoved) for a in answers)
    for block in (shared, own):
        block.refresh_from_db()
        assert numbers_of(block) == list(range(1, block.version + 1))
        assert block.revisions.first().value == block.value


def test_concurrent_resets_rebases_and_edits_agree_on_base(conversation):
    shared = conversation.agent.block_links.get().block
    own = conversation.isolations.get().block
    verbs = [
        lambda writer: reset(conversation, "human", by=actor()),
        lambda writer: rebase(conversation, "human", by=actor(), resolution=f"by {writer}"),
        lambda writer: write_block(own, by=actor(), value=f"own by {writer}"),
        lambda writer: write_block(shared, by=actor(), value=f"shared by {writer}"),
    ]

    answers = at_once(lambda writer: verbs[writer % 4](writer), times=5)

    assert not [answer for answer in answers if isinstance(answer, Exception)]
    isolation = conversation.isolations.get()
    base = shared.revisions.get(number=isolation.base_version)
    assert isolation.base_value == base.value
    own.refresh_from_db()
    assert numbers_of(own) == list(range(1, own.version + 1))


def test_release_during_reset_ends_released(conversation):
    answers = at_once(
        lambda writer: (
            release_label(conversation, "human", by=actor())
            if writer == 0
            else reset(conversation, "human", by=actor())
        )
    )

    assert not conversation.isolations.exists()
    refusals = {str(answer) for answer in answers if isinstance(answer, Exception)}
    assert refusals <= {f"Conversation '{conversation.pk}' has not isolated the label 'human'"}
