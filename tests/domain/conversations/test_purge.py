from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from conversations.domain.archives.archives import attach_archive, delete_archive
from conversations.domain.archives.passages import delete_passage
from conversations.domain.conversations import purge as purge_module
from conversations.domain.conversations.agents import attach_block, delete_agent, restore_agent
from conversations.domain.conversations.conversations import (
    delete_conversation,
    fork_conversation,
    restore_conversation,
)
from conversations.domain.conversations.identities import delete_identity
from conversations.domain.conversations.purge import count_purgeable, purge
from conversations.domain.integrity.check import find_breaches
from conversations.domain.memory.blocks import delete_block, write_block
from conversations.domain.memory.isolation import release_label
from conversations.models import (
    Agent,
    Archive,
    Block,
    BlockRevision,
    Conversation,
    ConversationMessage,
    Identity,
    Message,
    Passage,
    Run,
)

from ...factories import (
    actor,
    make_agent,
    make_archive,
    make_block,
    make_conversation,
    make_identity,
    make_member,
    make_messages,
    make_passage,
    make_run,
)


def deleted(row, *, days_ago: int = 31):
    """Delete a row with its verb and backdate the deletion."""
    verbs = {
        Agent: delete_agent,
        Archive: delete_archive,
        Block: delete_block,
        Conversation: delete_conversation,
        Identity: delete_identity,
        Passage: delete_passage,
    }
    verbs[type(row)](row, by=actor())
    type(row).objects.filter(pk=row.pk).update(deleted_at=timezone.now() - timedelta(days=days_ago))
    return row


def purge_all(days: int = 30) -> dict[str, int]:
    """Purge and return the counts; check that the dry run reported the same."""
    deleted_before = timezone.now() - timedelta(days=days)
    announced = count_purgeable(deleted_before)
    removed = sum(purge(deleted_before), Counter())
    assert removed == +announced
    return {kind.__name__: count for kind, count in removed.items()}


def remaining(model) -> set[str]:
    return set(model.objects.values_list("pk", flat=True))


def test_purge_removes_conversation_with_blocks_and_messages(alice):
    agent = make_agent(alice, labels=["human", "persona"])
    old, recent, live = (make_conversation(agent, isolated=["human", "persona"]) for _ in "123")
    for conversation in (old, recent, live):
        make_messages(conversation, "hello", "hi there")
        make_run(conversation, status=Run.Status.COMPLETED)
    write_block(old.isolated_blocks.get(label="human"), by=actor(alice), value="two")
    release_label(old, "persona", by=actor(alice))
    deleted(old, days_ago=31)
    deleted(recent, days_ago=29)

    counts = purge_all()

    assert counts == {"Conversation": 1, "Message": 3, "Run": 1, "Block": 2, "BlockRevision": 3}
    assert remaining(Conversation) == {recent.pk, live.pk, agent.conversations.get(is_default=1).pk}
    assert Block.objects.filter(conversation__in=[recent, live]).count() == 4
    restore_conversation(recent, by=actor(alice))
    assert [m.text for m in recent.messages.order_by("conversation_links__position")][1:] == [
        "hello",
        "hi there",
    ]
    assert list(find_breaches()) == []


def test_purge_keeps_messages_that_a_fork_shares(alice):
    original = make_conversation(make_agent(alice))
    first, _ = make_messages(original, "hello", "hi there")
    fork = fork_conversation(original, by=actor(alice), at=first)
    deleted(original)

    assert purge_all() == {"Conversation": 1, "Message": 2}

    fork.refresh_from_db()
    assert [m.text for m in fork.messages.filter(role="user")] == ["hello"]
    assert fork.forked_from is None
    assert fork.forked_at_message == first
    assert list(find_breaches()) == []


def test_purge_removes_messages_with_last_conversation(alice):
    original = make_conversation(make_agent(alice))
    make_messages(original, "hello")
    fork = fork_conversation(original, by=actor(alice))
    deleted(original)
    deleted(fork)

    assert purge_all() == {"Conversation": 2, "Message": 3}


def test_purge_removes_message_without_conversation(alice):
    conversation = make_conversation(make_agent(alice))
    [message] = make_messages(conversation, "hello")
    ConversationMessage.objects.filter(message=message).delete()

    assert purge_all() == {"Message": 1}


def test_purge_removes_agent_and_keeps_shared_blocks(alice):
    company = make_block(alice, label="company")
    agent = make_agent(alice, labels=["human"])
    attach_block(agent, company, by=actor(alice))
    conversation = make_conversation(agent, isolated=["human"])
    make_messages(conversation, "hello")
    make_messages(agent.conversations.get(is_default=True), "hello")
    colleague = make_agent(alice)
    deleted(agent)

    counts = purge_all()

    assert counts == {"Agent": 1, "Conversation": 2, "Message": 4, "Block": 1, "BlockRevision": 1}
    assert remaining(Agent) == {colleague.pk}
    assert sorted(Block.objects.values_list("label", flat=True)) == ["company", "human"]
    assert list(find_breaches()) == []


def test_agent_restored_during_purge_keeps_default_conversation(alice):
    agent = make_agent(alice)
    make_conversation(agent)
    deleted(agent)
    interrupted = purge(timezone.now() - timedelta(days=30))
    assert next(interrupted) == Counter({Conversation: 1})

    restore_agent(agent, by=actor(alice))

    assert sum(interrupted, Counter()) == Counter({Message: 1})
    assert agent.conversations.get().is_default
    assert list(find_breaches()) == []


def test_purge_removes_conversation_deleted_before_its_agent(alice):
    agent = make_agent(alice)
    conversation = deleted(make_conversation(agent), days_ago=40)
    deleted(agent, days_ago=2)

    assert purge_all() == {"Conversation": 1, "Message": 1}

    restore_agent(agent, by=actor(alice))
    assert conversation.pk not in remaining(Conversation)
    assert list(find_breaches()) == []


def test_purge_removes_block_and_keeps_isolated_copies(alice):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])
    shared = agent.blocks.get()
    write_block(shared, by=actor(alice), value="two")
    deleted(shared)

    assert purge_all() == {"Block": 1, "BlockRevision": 2}

    isolation = conversation.isolations.get()
    assert (isolation.source_block, isolation.block.value) == (None, "about human")
    assert list(find_breaches()) == []


def test_purge_keeps_revisions_written_from_conversation(alice):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent)
    run = make_run(conversation, status=Run.Status.COMPLETED)
    by = actor(alice)._replace(run=run)
    write_block(agent.blocks.get(), by=by, value="two", conversation=conversation)
    deleted(conversation)

    assert purge_all() == {"Conversation": 1, "Message": 1, "Run": 1}

    newest = BlockRevision.objects.get(number=2)
    assert (newest.value, newest.conversation, newest.run) == ("two", None, None)


def test_count_purgeable_removes_nothing(alice):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])
    make_messages(conversation, "hello")
    deleted(conversation)
    models = [Agent, Conversation, Message, Block, BlockRevision]
    before = [remaining(model) for model in models]

    counts = count_purgeable(timezone.now())

    assert counts[Conversation] == 1
    assert [remaining(model) for model in models] == before


def test_purge_after_interruption_does_the_rest(alice, monkeypatch):
    monkeypatch.setattr(purge_module, "BATCH_SIZE", 2)
    agent = make_agent(alice, labels=["human"])
    for _ in range(5):
        conversation = make_conversation(agent, isolated=["human"])
        make_messages(conversation, "hello")
        deleted(conversation)

    interrupted = purge(timezone.now())
    first = next(interrupted)
    interrupted.close()

    assert first == Counter({Conversation: 2, Block: 2, BlockRevision: 2})
    assert Conversation.objects.filter(is_default=False).count() == 3
    assert purge_all() == {"Conversation": 3, "Message": 10, "Block": 3, "BlockRevision": 3}


@pytest.mark.parametrize("count", [1, 4])
def test_empty_purge_query_count_does_not_grow(alice, django_assert_num_queries, count):
    for _ in range(count):
        make_messages(make_conversation(make_agent(make_member(alice.organization))), "hello")

    # Seven kinds of rows, each in a savepoint.
    with django_assert_num_queries(21):
        assert list(purge(timezone.now())) == []


@pytest.mark.parametrize("count", [1, 4])
def test_purge_batch_query_count_does_not_grow_with_rows(alice, django_assert_num_queries, count):
    agent = make_agent(alice, labels=["human"])
    for _ in range(count):
        conversation = make_conversation(agent, isolated=["human"])
        make_messages(conversation, "hello", "hi there")
        make_run(conversation, status=Run.Status.COMPLETED)
        deleted(conversation)

    with django_assert_num_queries(55):
        assert len(list(purge(timezone.now()))) == 2


def test_purge_removes_deleted_archives_and_passages(alice):
    archive = deleted(make_archive(alice))
    make_passage(make_archive(alice, name="kept"), "kept")
    for passage in (make_passage(archive), make_passage(Archive.objects.get(name="kept"))):
        deleted(passage)

    assert purge_all() == {"Passage": 2, "Archive": 1}

    assert [passage.text for passage in Passage.objects.all()] == ["kept"]


def test_purge_removes_archive_that_was_created_for_an_agent(alice):
    agent, other = make_agent(alice), make_agent(alice)
    make_passage(agent)
    shared = make_passage(other, "shared").archive
    attach_archive(make_agent(alice), shared)
    own = make_archive(alice)
    visitor = make_agent(alice)
    attach_archive(visitor, own)
    for each in (agent, other, visitor):
        deleted(each)

    counts = purge_all()

    assert (counts["Archive"], counts["Passage"]) == (1, 1)
    assert remaining(Archive) == {shared.pk, own.pk}


def test_purge_removes_deleted_identities(alice):
    agent = make_agent(alice)
    kept = make_identity(alice, agents=[agent])
    deleted(make_identity(alice, agents=[agent]))

    assert purge_all() == {"Identity": 1}
    assert remaining(Identity) == {kept.pk}
    assert agent.identities.get() == kept
