"""Signals are sent to receivers after the transaction commits."""

from contextlib import contextmanager

import pytest
from django.db import transaction

from conversations.domain.conversations.conversations import fork_conversation
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.isolation import isolate_label
from conversations.domain.runs.finish import CANCELLED, end_run
from conversations.models import Block, Conversation, Run
from conversations.signals import block_written, conversation_created, run_finished

from ..factories import actor, make_agent, make_block, make_conversation, make_run

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def received(signal):
    """Collect the arguments with which a signal is sent."""
    found = []

    def receiver(signal, **arguments):
        found.append(arguments)

    signal.connect(receiver)
    try:
        yield found
    finally:
        signal.disconnect(receiver)


def test_block_written_is_sent_for_each_revision(alice):
    with received(block_written) as found:
        block = make_block(alice, value="one")
        write_block(block, by=actor(alice), value="two")
        write_block(block, by=actor(alice), value="two")

    assert [
        (each["sender"], each["block"], each["revision"].number, each["created"]) for each in found
    ] == [(Block, block, 1, True), (Block, block, 2, False)]
    assert [each["revision"].pk for each in found] == list(
        block.revisions.order_by("number").values_list("pk", flat=True)
    )


def test_block_written_is_sent_for_isolated_block(alice):
    conversation = make_conversation(make_agent(alice, labels=["human"]))

    with received(block_written) as found:
        isolate_label(conversation, "human", by=actor(alice))

    assert [each["block"].conversation_id for each in found] == [conversation.pk]


def test_signal_is_not_sent_after_rollback(alice):
    block = make_block(alice, value="one")

    with received(block_written) as found, transaction.atomic():
        write_block(block, by=actor(alice), value="two")
        transaction.set_rollback(True)

    assert found == []


def test_failing_receiver_changes_nothing(alice):
    def receiver(signal, **arguments):
        raise RuntimeError("host")

    block_written.connect(receiver)
    try:
        block = make_block(alice, value="one")
    finally:
        block_written.disconnect(receiver)

    assert Block.objects.get(pk=block.pk).value == "one"


def test_conversation_created_is_sent_for_default_and_fork(alice):
    with received(conversation_created) as found:
        agent = make_agent(alice)
        conversation = make_conversation(agent)
        fork = fork_conversation(conversation, by=actor(alice))

    default = Conversation.objects.get(agent=agent, is_default=True)
    assert [each["conversation"] for each in found] == [default, conversation, fork]


def test_run_finished_is_sent_with_its_status(alice):
    run = make_run(make_conversation(make_agent(alice)), status="running", worker="w")

    with received(run_finished) as found:
        end_run(run, CANCELLED, worker="w")

    assert [(each["sender"], each["run"].status) for each in found] == [(Run, "cancelled")]
