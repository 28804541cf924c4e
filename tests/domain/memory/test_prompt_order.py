"""Move an attached block in the prompt."""

import pytest

from conversations.domain.conversations.agents import move_block
from conversations.domain.errors import NotFound
from conversations.domain.integrity.check import find_breaches
from conversations.domain.memory.effective import effective_blocks
from conversations.domain.memory.periods import effective_blocks_at
from conversations.domain.memory.prompt import is_stale
from conversations.models import Conversation

from ...factories import actor, make_agent, make_block, make_conversation


def labels(blocks) -> list[str]:
    return [block.label for block in blocks]


@pytest.mark.parametrize(
    ("label", "places", "expected"),
    [("a", 1, "bac"), ("c", -1, "acb"), ("a", 9, "bca"), ("c", -9, "cab"), ("b", 0, "abc")],
)
def test_block_moves_by_places_up_to_the_ends(label, places, expected, alice):
    agent = make_agent(alice, labels=["a", "b", "c"])

    move_block(agent, agent.blocks.get(label=label), by=actor(alice), places=places)

    links = agent.block_links.in_prompt_order()
    assert [(link.label, link.position) for link in links] == list(
        zip(expected, range(3), strict=True)
    )
    assert list(find_breaches()) == []


def test_new_order_is_read_now_and_old_order_in_the_past(alice):
    agent = make_agent(alice, labels=["a", "b"])
    conversation = make_conversation(agent, isolated=["b"])
    then = conversation.compiled_at

    move_block(agent, agent.blocks.get(label="b"), by=actor(alice), places=-1)

    conversation = Conversation.objects.get(pk=conversation.pk)
    default = agent.conversations.get(is_default=True)
    assert labels(effective_blocks(conversation)) == ["b", "a"]
    assert labels(effective_blocks_at(conversation, then)) == ["a", "b"]
    assert is_stale(conversation, effective_blocks(conversation))
    assert not is_stale(default, effective_blocks(default))


def test_move_of_detached_block_is_not_found(alice):
    agent = make_agent(alice, labels=["a"])

    with pytest.raises(NotFound, match="is not attached"):
        move_block(agent, make_block(alice), by=actor(alice), places=1)
