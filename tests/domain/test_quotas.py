import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations.domain.archives.passages import delete_passage, insert_for_agent
from conversations.domain.conversations.accounts import update_organization
from conversations.domain.conversations.agents import create_agent, delete_agent, restore_agent
from conversations.domain.conversations.conversations import (
    create_conversation,
    delete_conversation,
    fork_conversation,
    restore_conversation,
)
from conversations.domain.errors import InvalidValue, QuotaExceeded
from conversations.domain.memory.blocks import create_block, delete_block, write_block
from conversations.domain.memory.bulk import reset_all
from conversations.domain.memory.isolation import isolate_label
from conversations.domain.quotas import ALLOWANCE_PARTS, usage
from conversations.domain.runs.start import TurnRequest, start_run
from conversations.models import AuditEvent, Block, Conversation, Passage, Quota, Run

from ..factories import actor, make_agent, make_block, make_conversation, make_run
from ..transfer.agent_files.files import export_agent, import_document


@pytest.fixture
def limit(alice):
    """Return a function: `limit(max_conversations=3)` sets quotas of Alice's organization."""

    def set_quotas(**quotas: int | None) -> None:
        alice.organization = update_organization(alice.organization, by=actor(alice), **quotas)

    return set_quotas


@pytest.fixture
def with_cache(settings):
    name = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {"default": {"BACKEND": name, "LOCATION": "quotas"}}
    yield
    cache.clear()


def exceeds(quota: Quota, verb, *arguments, **options) -> QuotaExceeded:
    with pytest.raises(QuotaExceeded) as caught:
        verb(*arguments, **options)
    assert caught.value.quota == quota
    return caught.value


def test_organization_has_its_own_quota_or_default(alice, configure):
    configure(MAX_CONVERSATIONS=7)

    assert alice.organization.quota(Quota.MAX_CONVERSATIONS) == 7
    alice.organization.max_conversations = 3
    assert alice.organization.quota(Quota.MAX_CONVERSATIONS) == 3


def test_conversation_beyond_quota_is_refused_by_every_verb(alice, limit):
    agent = make_agent(alice)
    conversation = make_conversation(agent)
    deleted = make_conversation(agent)
    delete_conversation(deleted, by=actor(alice))
    gone = make_agent(alice)
    delete_agent(gone, by=actor(alice))
    limit(max_conversations=2)
    verbs = [
        (create_conversation, agent),
        (fork_conversation, conversation),
        (restore_conversation, deleted),
        (restore_agent, gone),
    ]

    for verb, row in verbs:
        error = exceeds(Quota.MAX_CONVERSATIONS, verb, row, by=actor(alice))
        assert (error.limit, error.used) == (2, 2)
    exceeds(
        Quota.MAX_CONVERSATIONS,
        create_agent,
        alice.organization,
        by=actor(alice),
        model="openai/small",
    )

    assert usage(alice.organization_id, Quota.MAX_CONVERSATIONS) == 2
    delete_conversation(conversation, by=actor(alice))
    create_conversation(agent, by=actor(alice))


def test_text_beyond_quota_is_refused_by_every_verb(alice, limit):
    block = make_block(alice, label="human", value="x" * 10)
    agent = make_agent(alice, blocks=[block])
    conversation = make_conversation(agent, isolated=["human"])
    other = make_conversation(agent)
    isolated = conversation.isolations.get().block
    limit(max_memory_characters=25)
    by = actor(alice)

    exceeds(Quota.MAX_MEMORY_CHARACTERS, write_block, block, by=by, value="y" * 16)
    exceeds(Quota.MAX_MEMORY_CHARACTERS, isolate_label, other, "human", by=by)
    exceeds(Quota.MAX_MEMORY_CHARACTERS, fork_conversation, conversation, by=by)
    exceeds(
        Quota.MAX_MEMORY_CHARACTERS,
        create_block,
        alice.organization,
        by=by,
        label="more",
        value="z" * 6,
    )
    write_block(isolated, by=by, value="short")
    write_block(block, by=by, value="y" * 20)
    exceeds(Quota.MAX_MEMORY_CHARACTERS, lambda: list(reset_all(agent, "human", by=by)))

    assert usage(alice.organization_id, Quota.MAX_MEMORY_CHARACTERS) == 25
    # What does not grow is never refused.
    limit(max_memory_characters=1)
    write_block(block, by=by, value="a" * 20)
    delete_block(block, by=by)
    assert usage(alice.organization_id, Quota.MAX_MEMORY_CHARACTERS) == 5


@pytest.mark.parametrize("revisions", [False, True])
def test_agent_file_beyond_quota_stores_nothing(alice, limit, revisions):
    agent = make_agent(alice, blocks=[make_block(alice, value="x" * 10)])
    make_conversation(agent, isolated=["human"])
    document = export_agent(agent, by=actor(alice), with_revisions=revisions)
    before = (Block.objects.count(), Conversation.objects.count())

    def load():
        import_document(alice, document)

    limit(max_conversations=3)
    exceeds(Quota.MAX_CONVERSATIONS, load)
    limit(max_conversations=None, max_memory_characters=35)
    exceeds(Quota.MAX_MEMORY_CHARACTERS, load)

    assert (Block.objects.count(), Conversation.objects.count()) == before
    limit(max_memory_characters=40)
    load()


def test_turn_beyond_quota_is_refused_until_another_ends(alice, limit):
    conversations = [make_conversation(make_agent(alice)) for _ in range(3)]
    running = [make_run(each, status="running") for each in conversations[:2]]
    limit(concurrent_turns=2)
    hello = TurnRequest(input=[{"role": "user", "content": [{"type": "text", "text": "hi"}]}])

    def send():
        start_run(conversations[2], by=actor(alice), request=hello, kind="send_message")

    error = exceeds(Quota.CONCURRENT_TURNS, send)
    Run.objects.filter(pk=running[0].pk).update(status="completed")
    send()

    assert error.used == 2
    assert usage(alice.organization_id, Quota.CONCURRENT_TURNS) == 2


def test_passages_count_as_memory(alice, limit):
    agent = make_agent(alice, blocks=[make_block(alice, value="x" * 10)])
    limit(max_memory_characters=20)
    insert_for_agent(agent, {"text": "y" * 6}, by=actor(alice))

    error = exceeds(
        Quota.MAX_MEMORY_CHARACTERS, insert_for_agent, agent, {"text": "z" * 5}, by=actor(alice)
    )

    assert error.used == 16
    delete_passage(Passage.objects.get(), by=actor(alice))
    insert_for_agent(agent, {"text": "z" * 5}, by=actor(alice))


def test_other_organization_does_not_count(alice, mallory, limit):
    make_agent(mallory)
    make_block(mallory, value="x" * 50)
    limit(max_conversations=1, max_memory_characters=10)

    make_agent(alice)
    make_block(alice, value="x" * 10)


def test_organization_far_from_quota_counts_rarely(alice, limit, with_cache):
    agent = make_agent(alice)
    limit(max_conversations=1 + 1 + 10 * ALLOWANCE_PARTS)

    def counts() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            create_conversation(agent, by=actor(alice))
        return sum("COUNT(" in query["sql"] for query in queries)

    # The first one counts; a part of what is left may be used before the next count.
    assert [counts() for _ in range(12)] == [1, *[0] * 10, 1]


def test_organization_near_quota_counts_exactly(alice, limit, with_cache):
    agent = make_agent(alice)
    limit(max_conversations=4)

    for _ in range(3):
        create_conversation(agent, by=actor(alice))

    exceeds(Quota.MAX_CONVERSATIONS, create_conversation, agent, by=actor(alice))
    # A higher quota counts at once.
    limit(max_conversations=5)
    create_conversation(agent, by=actor(alice))


def test_change_of_quota_is_in_audit_log(alice, limit):
    limit(max_conversations=4, concurrent_turns=None)

    event = AuditEvent.objects.get(action="quota.changed")
    assert event.details == {"max_conversations": 4, "concurrent_turns": None}


@pytest.mark.parametrize(
    "quotas",
    [
        {"max_conversations": 0},
        {"concurrent_turns": 2**53},
        {"conversation_retention_days": 40_000},
    ],
)
def test_quota_out_of_range_is_refused(alice, limit, quotas):
    with pytest.raises(InvalidValue):
        limit(**quotas)
