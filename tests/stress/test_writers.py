"""Rules under real concurrency: eight writers on PostgreSQL."""

import pytest

from conversations.domain.conversations.agents import attach_block, detach_block
from conversations.domain.conversations.conversations import (
    create_conversation,
    delete_conversation,
    fork_conversation,
)
from conversations.domain.conversations.messages import append_messages, text_message
from conversations.domain.errors import LabelTaken, NotFound, StaleVersion
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.effective import effective_blocks
from conversations.domain.memory.isolation import isolate_label
from conversations.models import Agent, Block, Conversation

from ..factories import actor, make_agent, make_block, make_conversation, make_member, make_messages
from .threads import WRITERS, at_once

pytestmark = [pytest.mark.postgres_only, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def agent() -> Agent:
    return make_agent(make_member(), labels=["human", "persona"])


def test_concurrent_appends_get_unique_positions(agent):
    conversation = make_conversation(agent)

    at_once(
        lambda writer: append_messages(
            conversation,
            [text_message("user", f"{writer}: one"), text_message("user", f"{writer}: two")],
            by=actor(),
        ),
        times=10,
    )

    links = conversation.message_links.order_by("position").select_related("message")
    assert [link.position for link in links] == list(range(1 + WRITERS * 10 * 2))
    # Messages of one append are adjacent.
    texts = [link.message.text for link in links][1:]
    pairs = zip(texts[::2], texts[1::2], strict=True)
    assert all(one.replace("one", "two") == two for one, two in pairs)


def test_concurrent_creates_get_separate_isolated_blocks(agent):
    created = at_once(
        lambda _: create_conversation(agent, by=actor(), isolated_labels=["human", "persona"]),
        times=5,
    )

    assert len(created) == WRITERS * 5
    blocks = Block.objects.filter(isolations__conversation__in=created)
    assert blocks.count() == blocks.distinct().count() == WRITERS * 5 * 2
    for conversation in created:
        assert [e.origin for e in effective_blocks(conversation)] == ["isolated", "isolated"]


def test_concurrent_edits_leave_revisions_without_gaps(agent):
    block = agent.block_links.get(label="human").block

    at_once(lambda writer: write_block(block, by=actor(), value=f"by {writer}"), times=1)
    edits = at_once(
        lambda writer: write_block(block, by=actor(), tags=[str(writer)], limit=1000 + writer),
        times=10,
    )

    numbers = sorted(block.revisions.values_list("number", flat=True))
    block.refresh_from_db()
    assert numbers == list(range(1, block.version + 1))
    # An edit that changes nothing writes no revision.
    assert len(numbers) <= 1 + WRITERS + len(edits)
    newest = block.revisions.first()
    assert (newest.value, newest.limit) == (block.value, block.limit)


def test_one_of_concurrent_writes_at_same_version_succeeds(agent):
    block = agent.block_links.get(label="human").block

    answers = at_once(
        lambda writer: write_block(block, by=actor(), value=f"by {writer}", expected_version=1)
    )

    accepted = [answer for answer in answers if isinstance(answer, Block)]
    refused = [answer for answer in answers if isinstance(answer, StaleVersion)]
    assert (len(accepted), len(refused)) == (1, WRITERS - 1)
    assert {refusal.value for refusal in refused} == {accepted[0].value}
    assert block.revisions.count() == 2


def test_default_prompt_has_last_of_concurrent_edits(agent):
    """Edits of different blocks recompile the same message; none may show an older text."""
    human, persona = (link.block for link in agent.block_links.in_prompt_order())

    at_once(
        lambda writer: write_block(
            human if writer % 2 else persona, by=actor(), value=f"by writer {writer}"
        ),
        times=5,
    )

    conversation = agent.conversations.get(is_default=True)
    text = conversation.message_links.get(position=0).message.text
    for block in (human, persona):
        block.refresh_from_db()
        assert f"<value>\n{block.value}\n</value>" in text


def test_concurrent_isolates_isolate_once(agent):
    conversation = make_conversation(agent)

    answers = at_once(lambda _: isolate_label(conversation, "human", by=actor()))

    assert {answer.block.pk for answer in answers} == {conversation.isolations.get().block_id}
    assert Block.objects.filter(conversation=conversation).count() == 1


def test_one_of_concurrent_attaches_of_a_label_succeeds(agent):
    blocks = [make_block(agent.created_by, label="notes") for _ in range(WRITERS)]

    answers = at_once(lambda writer: attach_block(agent, blocks[writer], by=actor()))

    assert sum(isinstance(answer, LabelTaken) for answer in answers) == WRITERS - 1
    assert agent.block_links.filter(label="notes").count() == 1


def test_concurrent_attach_detach_and_edit_never_deadlock(agent):
    other = make_agent(agent.created_by, labels=["persona"])
    shared = make_block(agent.created_by, label="policy", value="be kind")

    def call(writer: int):
        target = agent if writer % 2 else other
        if writer < 4:
            return attach_block(target, shared, by=actor())
        if writer < 6:
            return detach_block(target, shared, by=actor())
        return write_block(shared, by=actor(), value=f"by {writer}")

    answers = at_once(call, times=10)

    # The only error is that the block was not attached at that moment.
    refusals = [answer for answer in answers if isinstance(answer, Exception)]
    assert all(isinstance(refusal, NotFound) for refusal in refusals)
    numbers = sorted(shared.revisions.values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))


def test_fork_during_delete_is_complete_or_rejected(agent):
    conversations = [make_conversation(agent, isolated=["human"]) for _ in range(WRITERS)]
    for conversation in conversations:
        make_messages(conversation, "hello", "hi")

    def call(writer: int):
        conversation = conversations[writer // 2]
        if writer % 2:
            return delete_conversation(conversation, by=actor())
        return fork_conversation(conversation, by=actor())

    answers = at_once(call)

    forks = [answer for answer in answers if isinstance(answer, Conversation)]
    refusals = [answer for answer in answers if isinstance(answer, Exception)]
    assert all(isinstance(refusal, NotFound) for refusal in refusals)
    assert len(forks) + len(refusals) == WRITERS // 2
    for fork in forks:
        assert [e.origin for e in effective_blocks(fork)] == ["isolated", "shared"]
        assert fork.message_links.count() == 3
