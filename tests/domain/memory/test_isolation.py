import pytest

from conversations.domain.errors import Conflict, NotFound, UnknownLabels
from conversations.domain.integrity.check import find_breaches
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.effective import effective_blocks
from conversations.domain.memory.isolation import isolate_label, release_label, restore_label
from conversations.models import Block, Drift, IsolatedBlock

from ...factories import actor, make_agent, make_conversation


def test_isolate_copies_present_shared_text(alice):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent)
    write_block(agent.blocks.get(), by=actor(alice), value="later")

    effective = isolate_label(conversation, "human", by=actor(alice))

    isolation = conversation.isolations.get()
    assert (effective.origin, effective.block.value, effective.drift) == (
        "isolated", "later", "in_sync",
    )  # fmt: skip
    assert (isolation.base_value, isolation.base_version) == ("later", 2)
    assert isolation.source_block == agent.blocks.get()


def test_isolate_again_changes_nothing(alice):
    conversation = make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    own = conversation.isolated_blocks.get()

    effective = isolate_label(conversation, "human", by=actor(alice))

    assert effective.block == own
    assert Block.objects.count() == 2


def test_isolate_rejects_label_the_agent_lacks(alice):
    conversation = make_conversation(make_agent(alice, labels=["human"]))

    with pytest.raises(UnknownLabels, match="no block with label 'todo'"):
        isolate_label(conversation, "todo", by=actor(alice))

    assert IsolatedBlock.objects.count() == 0


def test_default_prompt_follows_isolate_and_release(alice):
    agent = make_agent(alice, labels=["human"])
    default = agent.conversations.get()
    own = isolate_label(default, "human", by=actor(alice)).block
    write_block(own, by=actor(alice), value="own")
    isolated = default.messages.get().text

    release_label(default, "human", by=actor(alice))

    assert "<value>\nown\n</value>" in isolated
    assert "<value>\nabout human\n</value>" in default.messages.get().text
    assert [e.origin for e in effective_blocks(default)] == ["shared"]


def test_released_block_is_hidden_and_keeps_revisions(alice):
    conversation = make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    own = conversation.isolated_blocks.get()

    release_label(conversation, "human", by=actor(alice))

    assert own not in Block.objects.live()
    assert own.revisions.count() == 1
    with pytest.raises(NotFound, match="has not isolated the label 'human'"):
        release_label(conversation, "human", by=actor(alice))


# Released copies


def own_text(conversation):
    return conversation.isolations.get(label="human").block.value


def test_restore_label_keeps_text_and_history(alice):
    conversation = make_conversation(make_agent(alice, labels=["human"]), isolated=["human"])
    own = conversation.isolations.get().block
    write_block(own, by=actor(), value="mine")
    release_label(conversation, "human", by=actor())

    effective = restore_label(conversation, "human", by=actor())

    assert (effective.block, effective.version) == (own, 2)
    assert effective.drift == Drift.ISOLATED_CHANGED
    assert list(find_breaches()) == []


def test_restore_label_keeps_base_when_shared_changed(alice):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])
    write_block(conversation.isolations.get().block, by=actor(), value="mine")
    release_label(conversation, "human", by=actor())
    write_block(agent.blocks.get(), by=actor(), value="new for all")

    effective = restore_label(conversation, "human", by=actor())

    assert effective.drift == Drift.DIVERGED
    assert effective.isolation.base_value == "about human"


def test_restore_label_defaults_to_newest_released_block(alice):
    conversation = make_conversation(make_agent(alice, labels=["human"]))
    copies = []
    for text in ("first", "second"):
        copies.append(isolate_label(conversation, "human", by=actor(), value=text).block)
        release_label(conversation, "human", by=actor())

    assert restore_label(conversation, "human", by=actor()).block.value == "second"
    release_label(conversation, "human", by=actor())
    restore_label(conversation, "human", by=actor(), block_id=copies[0].pk)
    assert own_text(conversation) == "first"


def test_restore_label_rejects_isolated_or_never_isolated_label(alice):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])

    with pytest.raises(Conflict, match="release that copy first"):
        restore_label(conversation, "human", by=actor())
    with pytest.raises(NotFound, match="has no released copy of 'human'"):
        restore_label(make_conversation(agent), "human", by=actor())
