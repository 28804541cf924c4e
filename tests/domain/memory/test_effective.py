import pytest

from conversations.domain.conversations.agents import update_agent
from conversations.domain.memory.effective import effective_blocks, effective_blocks_of

from ...factories import actor, make_agent, make_conversation


def read(conversation) -> list[tuple]:
    return [(e.label, e.origin, e.block.value, e.drift) for e in effective_blocks(conversation)]


def test_isolated_block_replaces_shared_block(alice):
    agent = make_agent(alice, labels=["a", "b", "c"])

    conversation = make_conversation(agent, isolated=["b"])

    assert read(conversation) == [
        ("a", "shared", "about a", None),
        ("b", "isolated", "about b", "in_sync"),
        ("c", "shared", "about c", None),
    ]


def test_blocks_with_shared_gone_come_last_by_isolation_time(alice):
    agent = make_agent(alice, labels=["a", "b", "c"])
    conversation = make_conversation(agent, isolated=["b", "a"])

    update_agent(agent, by=actor(alice), blocks=[agent.blocks.get(label="c")])

    assert read(conversation) == [
        ("c", "shared", "about c", None),
        ("b", "isolated", "about b", "shared_gone"),
        ("a", "isolated", "about a", "shared_gone"),
    ]


@pytest.mark.parametrize("count", [1, 5])
def test_effective_blocks_of_many_take_two_queries(alice, count, django_assert_num_queries):
    agents = [make_agent(alice, labels=["a", "b"]) for _ in range(count)]
    conversations = [make_conversation(agent, isolated=["b"]) for agent in agents]

    with django_assert_num_queries(2):  # the shared blocks, the isolated blocks
        found = effective_blocks_of(conversations)
        origins = {pk: [e.origin for e in blocks] for pk, blocks in found.items()}

    assert origins == {c.pk: ["shared", "isolated"] for c in conversations}
