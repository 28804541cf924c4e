import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from django.db import connection, connections
from django.utils import timezone

from conversations.domain.integrity.check import RULES, find_breaches
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.isolation import release_label
from conversations.ids import UUID4
from conversations.models import (
    Block,
    Member,
    Message,
    Run,
)

from ...factories import (
    actor,
    link_user,
    make_agent,
    make_block,
    make_conversation,
    make_member,
    make_messages,
    make_run,
)
from .damages import DAMAGES, damage

# The problem that each rule reports, without ids and times.
PROBLEMS = {
    "version_is_newest_revision_number": {
        "has version 7, but its newest revision is 1",
        "has version 1, but its newest revision is None",
    },
    "revision_numbers_have_no_gaps": {"has 1 revisions, but the newest has number 3"},
    "value_matches_newest_revision": {"has another value than its newest revision, 1"},
    "description_matches_newest_revision": {"has another description than its newest revision, 1"},
    "limit_matches_newest_revision": {"has another limit than its newest revision, 1"},
    "isolated_block_belongs_to_its_conversation": {
        "isolates 'human' with block …, which belongs to …",
        "isolates 'human' with block …, which belongs to None",
    },
    "isolated_block_has_its_label": {"reads block … as 'human'; its label is 'animal'"},
    "isolated_block_is_not_deleted": {"reads block …, which is deleted"},
    "attached_block_belongs_to_no_conversation": {"reads block …, which belongs to …"},
    "attached_block_has_its_label": {"reads block … as 'animal'; its label is 'human'"},
    "attached_block_is_not_deleted": {"reads block …, which is deleted"},
    "agent_has_open_period_for_each_block": {
        "reads block … as 'human', but no open period records it"
    },
    "conversation_has_open_period_for_each_block": {
        "reads block … as 'human', but no open period records it"
    },
    "open_period_has_a_reader": {"has an open period as 'human' since …, but nothing reads it"},
    "agent_has_a_default_conversation": {"has no default conversation"},
    "default_conversation_is_not_deleted": {"is deleted, but is the default conversation of …"},
    "positions_have_no_gaps": {"has 3 messages, but the last is at position 5"},
    "position_0_is_the_system_message": {"has no system message at position 0"},
    "message_has_its_conversations_agent": {"is a message of …, but is in … of another agent"},
    "message_is_in_a_conversation": {"is in no conversation; purge removes it"},
    "run_has_its_conversations_agent": {"is a run of …, but its conversation … has another agent"},
    "prompt_is_compiled": {"does not record what its system message was compiled from"},
    "default_prompt_follows_memory": {"is stale, but is the default conversation of …"},
    "fresh_prompt_contains_memory": {
        "its system message lacks the agent's system prompt",
        "its system message lacks the value of 'human', isolated block …",
        "its system message lacks the value of 'persona', shared block …",
    },
    "organizations_never_mix": {
        f"belongs to …, but its {reference} … to …"
        for reference in (
            "agent",
            "block",
            "forked_from",
            "last_updated_by",
            "message",
            "source_block",
            "member",
            "written_by",
        )
    },
}
ID_OR_TIME = re.compile(rf"[a-z]+-{UUID4}|\d{{4}}-\d\d-\d\d \d\d:\d\d UTC")


def breaches(organization=None) -> list[tuple[str, str]]:
    return [(breach.rule, breach.row) for breach in find_breaches(organization)]


@pytest.fixture
def world(alice, mallory) -> SimpleNamespace:
    """Create valid rows: an agent, its default conversation, and one that isolates `human`."""
    agent = make_agent(alice, labels=["human", "persona"])
    conversation = make_conversation(agent, isolated=["human"])
    make_messages(conversation, "hello", "hi there")
    return SimpleNamespace(
        alice=alice,
        mallory=mallory,
        agent=agent,
        other_agent=make_agent(alice, labels=["human"]),
        default=agent.conversations.get(is_default=True),
        conversation=conversation,
        isolated=Block.objects.get(conversation=conversation),
        shared=agent.blocks.get(label="human"),
        message=Message.objects.get(conversation_links__position=2),
    )


@pytest.mark.parametrize("harm", DAMAGES)
def test_damage_is_found_and_nothing_else(world, harm):
    assert breaches() == []

    expected = harm(world)

    assert breaches() == expected
    assert breaches(world.alice.organization) == expected


def test_problem_of_each_rule_is_described(world):
    found = defaultdict(set)
    for harm in DAMAGES:
        with connection.cursor() as cursor:
            cursor.execute("SAVEPOINT before_the_damage")
            harm(world)
            for breach in find_breaches():
                found[breach.rule].add(ID_OR_TIME.sub("…", breach.problem))
            cursor.execute("ROLLBACK TO SAVEPOINT before_the_damage")

    assert found.keys() == set(RULES)
    worker_lost = found.pop("active_run_has_a_live_worker")
    assert worker_lost
    assert found == PROBLEMS


def test_verbs_cause_no_breach(world):
    write_block(world.isolated, by=actor(world.alice), value="moved on")
    write_block(world.shared, by=actor(world.alice), value="new for all", description="who")
    root = link_user(make_member(name="root"), is_superuser=True)
    write_block(world.shared, by=actor(root), value="by a superuser")
    former = link_user(make_member(name="former"), is_superuser=True)
    Member.objects.filter(pk=former.pk).update(organization=None)
    write_block(world.shared, by=actor(former), value="by a superuser until today")
    former.user.is_superuser = False
    former.user.save()
    damage(world.agent, isolated_labels=["gone"])
    released = make_conversation(world.other_agent, isolated=["human"])
    release_label(released, "human", by=actor(world.alice))
    make_run(released, status=Run.Status.RUNNING, heartbeat_at=timezone.now())
    make_run(world.conversation, status=Run.Status.CREATED)

    assert breaches() == []


def test_breaches_of_another_organization_are_left_out(world):
    theirs = make_block(world.mallory)
    damage(theirs, value="written without a verb", created_by=make_member())

    assert breaches(world.alice.organization) == []
    assert breaches(world.mallory.organization) == [
        ("value_matches_newest_revision", theirs.pk),
        ("organizations_never_mix", theirs.pk),
    ]


@pytest.mark.parametrize("count", [1, 4])
def test_check_query_count_does_not_grow_with_rows(alice, django_assert_num_queries, count):
    for _ in range(count):
        make_conversation(make_agent(make_member(alice.organization), labels=["human"]))

    with django_assert_num_queries(90):
        assert breaches() == []


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_concurrent_edit_is_no_breach():
    block = make_block()

    def edit():
        Block.objects.filter(pk=block.pk).update(value="edited meanwhile")
        connections.close_all()

    def rules():
        yield "revision_numbers_have_no_gaps"
        with ThreadPoolExecutor() as pool:
            pool.submit(edit).result()
        yield "value_matches_newest_revision"

    assert list(find_breaches(rules=rules())) == []
    assert len(breaches()) == 1
