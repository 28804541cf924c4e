"""Verbs on a label lose no edit while another request isolates or releases it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from conversations.domain.errors import DomainError
from conversations.domain.integrity.check import find_breaches
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.effective import effective_blocks
from conversations.domain.memory.isolation import isolate_label, release_label
from conversations.domain.memory.label_edits import edit_isolated_block, edit_label
from conversations.models import Block

from ..factories import actor, make_agent, make_conversation, make_member
from ..runtime.processes import until
from .threads import WRITERS, at_once

pytestmark = [pytest.mark.postgres_only, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def agent():
    return make_agent(make_member(), memory_blocks=[{"label": "human", "value": "one"}])


def run_during(first, second):
    """Run `second` until it waits for a lock of `first`; commit `first`; return its result."""
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first()
            waiting = pool.submit(run_on_own_connection, second)
            until(
                lambda: waiting.done() or is_blocked(),
                seconds=20,
                what="the second call waits for a lock",
            )
        return waiting.result(timeout=20)


def run_on_own_connection(verb):
    try:
        return verb()
    except DomainError as error:
        return error
    finally:
        connection.close()


def is_blocked() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        [blocked] = cursor.fetchone()
    return blocked


def reads(conversation) -> str:
    return effective_blocks(conversation)[0].block.value


def add(block):
    return {"value": f"{block.value}, edited"}


def test_edit_during_release_goes_to_shared_block(agent):
    conversation = make_conversation(agent, isolated=["human"])
    own = conversation.isolations.get().block

    answer = run_during(
        lambda: release_label(conversation, "human", by=actor()),
        lambda: edit_label(conversation, "human", by=actor(), edit=add),
    )

    assert (answer.origin, answer.block.value) == ("shared", "one, edited")
    assert reads(conversation) == "one, edited"
    assert own.revisions.count() == 1


def test_edit_of_isolated_block_during_release_is_rejected(agent):
    conversation = make_conversation(agent, isolated=["human"])
    own = conversation.isolations.get().block

    answer = run_during(
        lambda: release_label(conversation, "human", by=actor()),
        lambda: edit_isolated_block(conversation, "human", by=actor(), changes={"value": "mine"}),
    )

    assert "has not isolated the label 'human'" in str(answer)
    assert own.revisions.count() == 1


def test_edit_during_isolate_goes_to_isolated_block(agent):
    conversation = make_conversation(agent)
    shared = agent.blocks.get()

    def isolate():
        Block.objects.select_for_update(no_key=True).get(pk=shared.pk)
        isolate_label(conversation, "human", by=actor())

    run_during(isolate, lambda: edit_label(conversation, "human", by=actor(), edit=add))

    assert reads(conversation) == "one, edited"
    assert shared.revisions.count() == 1


def test_first_edits_of_two_conversations_isolate_in_each(agent):
    write_block(agent.blocks.get(), by=actor(), value="", copy_on_write=True)
    conversations = [make_conversation(agent) for _ in range(2)]

    at_once(
        lambda writer: edit_label(
            conversations[writer % 2],
            "human",
            by=actor(),
            edit=lambda block: {"value": f"{block.value}{writer} "},
        ),
        times=5,
    )

    for n, conversation in enumerate(conversations):
        writers = [str(writer) for writer in range(WRITERS) if writer % 2 == n]
        assert sorted(reads(conversation).split()) == sorted(writers * 5)
    assert agent.blocks.get().value == ""
    assert list(find_breaches()) == []


@pytest.mark.parametrize("is_default", [False, True])
def test_concurrent_verbs_on_one_label_raise_domain_errors_only(client_for, agent, is_default):
    write_block(agent.blocks.get(), by=actor(), copy_on_write=True)
    conversation = agent.conversations.get() if is_default else make_conversation(agent)
    url = f"/v1/conversations/{conversation.pk}/isolated-blocks/human"
    clients = [client_for(agent.created_by) for _ in range(WRITERS)]

    def call(writer: int) -> int:
        client = clients[writer]
        replies = [
            lambda: client.patch(url, {"value": f"by {writer}"}),
            lambda: client.delete(url),
            lambda: client.put(url),
            lambda: client.post(f"{url}/reset"),
            lambda: client.post(f"{url}/promote", {"force": True}),
            lambda: client.post(f"{url}/restore"),
            lambda: client.post(f"{url}/rebase"),
            lambda: client.patch(f"/v1/blocks/{agent.blocks.get().pk}", {"value": f"{writer}"}),
        ]
        return replies[writer]().status_code

    statuses = Counter(at_once(call, times=40))

    assert set(statuses) <= {200, 404, 409}, statuses
    assert statuses[200] > 40
    assert list(find_breaches()) == []
