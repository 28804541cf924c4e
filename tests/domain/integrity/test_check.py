from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from django.db import connection, connections
from django.utils import timezone

from conversations.domain.integrity.check import RULES, find_breaches
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.isolation import release_label
from conversations.models import (
    Block,
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


def breaches(organization=None) -> list[str]:
    return [
        f"{breach.rule}: {breach.row}: {breach.wrong}" for breach in find_breaches(organization)
    ]


@pytest.fixture
def world(alice, mallory) -> SimpleNamespace:
    """Nothing is wrong here: an agent, its default conversation, and one that isolates `human`."""
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
def test_each_damage_is_found_and_nothing_else(world, harm):
    assert breaches() == []

    expected = harm(world)

    assert breaches() == expected
    assert breaches(world.alice.organization) == expected


def test_every_rule_has_a_damage(world):
    found = set()
    for harm in DAMAGES:
        with connection.cursor() as cursor:
            cursor.execute("SAVEPOINT before_the_damage")
            found |= {line.split(":")[0] for line in harm(world)}
            cursor.execute("ROLLBACK TO SAVEPOINT before_the_damage")

    assert found == set(RULES)


def test_what_the_verbs_do_is_no_breach(world):
    write_block(world.isolated, by=actor(world.alice), value="moved on")
    write_block(world.shared, by=actor(world.alice), value="new for all", description="who")
    root = link_user(make_member(name="root"), is_superuser=True)
    write_block(world.shared, by=actor(root), value="by a superuser")
    damage(world.agent, isolated_labels=["gone"])
    released = make_conversation(world.other_agent, isolated=["human"])
    release_label(released, "human", by=actor(world.alice))
    make_run(released, status=Run.Status.RUNNING, heartbeat_at=timezone.now())
    make_run(world.conversation, status=Run.Status.CREATED)

    assert breaches() == []


def test_another_organizations_breaches_are_left_out(world):
    theirs = make_block(world.mallory)
    damage(theirs, value="written past the verb", created_by=make_member())

    assert breaches(world.alice.organization) == []
    assert [line.split(": ")[:2] for line in breaches(world.mallory.organization)] == [
        ["value_is_the_newest_revisions", theirs.pk],
        ["organizations_never_mix", theirs.pk],
    ]


@pytest.mark.parametrize("count", [1, 4])
def test_the_check_costs_the_same_queries_however_many_rows_there_are(
    alice, django_assert_num_queries, count
):
    for _ in range(count):
        make_conversation(make_agent(make_member(alice.organization), labels=["human"]))

    with django_assert_num_queries(65):
        assert breaches() == []


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_an_edit_during_the_check_is_no_breach():
    block = make_block()

    def edit():
        Block.objects.filter(pk=block.pk).update(value="edited meanwhile")
        connections.close_all()

    def rules():
        yield "revision_numbers_have_no_gaps"
        with ThreadPoolExecutor() as pool:
            pool.submit(edit).result()
        yield "value_is_the_newest_revisions"

    assert list(find_breaches(rules=rules())) == []
    assert len(breaches()) == 1
