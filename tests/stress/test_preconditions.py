"""Concurrent conditional writes, and undo and bulk verbs during edits."""

from itertools import count

import pytest

from conversations.domain.integrity.check import find_breaches
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.bulk import rebase_all
from conversations.domain.memory.isolation import isolate_label, release_label, restore_label
from conversations.domain.memory.label_edits import edit_label
from conversations.domain.memory.revisions import redo, undo

from ..factories import actor, make_agent, make_block, make_conversation, make_member
from .threads import WRITERS, at_once

pytestmark = [pytest.mark.postgres_only, pytest.mark.django_db(transaction=True)]


def numbers_of(block) -> list[int]:
    return sorted(block.revisions.values_list("number", flat=True))


def test_conditional_writes_are_accepted_once_or_rejected(client_for):
    user = make_member()
    block = make_block(user, value="begin")
    url = f"/v1/blocks/{block.pk}"
    clients = [client_for(user) for _ in range(WRITERS)]
    turns = count(1)

    def write(writer: int):
        client, text = clients[writer], f"write {next(turns)}"
        tag = client.get(url)["ETag"]
        return text, client.patch(url, {"value": text}, headers={"If-Match": tag})

    answers = at_once(write, times=500 // WRITERS + 1)

    accepted = {text for text, reply in answers if reply.status_code == 200}
    refused = {text for text, reply in answers if reply.status_code == 412}
    assert len(accepted) + len(refused) == len(answers) >= 500
    assert accepted
    assert refused
    written = list(block.revisions.filter(number__gt=1).values_list("value", flat=True))
    assert len(written) == len(accepted)
    assert set(written) == accepted
    block.refresh_from_db()
    assert numbers_of(block) == list(range(1, block.version + 1))
    assert not block.revisions.filter(number__gt=1, unconditional=True).exists()


def test_concurrent_undo_and_redo_leave_no_gap():
    block = make_block(make_member(), value="begin")
    verbs = [
        lambda writer: write_block(block, by=actor(), value=f"by {writer}"),
        lambda writer: undo(block, by=actor()),
        lambda writer: redo(block, by=actor()),
    ]

    at_once(lambda writer: verbs[writer % 3](writer), times=6)

    block.refresh_from_db()
    assert numbers_of(block) == list(range(1, block.version + 1))
    assert block.revisions.first().value == block.value


def test_concurrent_rebase_all_loses_no_edit():
    agent = make_agent(
        make_member(), memory_blocks=[{"label": "human", "value": "one\ntwo\nthree"}]
    )
    conversations = [make_conversation(agent, isolated=["human"]) for _ in range(4)]
    own = [conversation.isolations.get().block for conversation in conversations]
    shared = agent.blocks.get()

    def call(writer: int):
        if writer < 2:
            return list(rebase_all(agent, "human", by=actor()))
        if writer == 2:
            return write_block(shared, by=actor(), value="one\ntwo\nTHREE")
        # An operation on the fresh text. A whole text based on an older version would
        # rightly overwrite what was merged in between.
        return edit_label(
            conversations[writer % 4],
            "human",
            by=actor(),
            edit=lambda block: {"value": block.value.replace("one", "ONE")},
        )

    at_once(call)
    list(rebase_all(agent, "human", by=actor()))

    assert {block.value for block in own if not block.refresh_from_db()} == {"ONE\ntwo\nTHREE"}
    assert list(find_breaches()) == []


def test_concurrent_first_edits_isolate_once_and_lose_none():
    agent = make_agent(make_member(), labels=["human"])
    write_block(agent.blocks.get(), by=actor(), value="", copy_on_write=True)
    conversation = make_conversation(agent)

    at_once(
        lambda writer: edit_label(
            conversation,
            "human",
            by=actor(),
            edit=lambda block: {"value": f"{block.value}{writer}\n"},
        ),
        times=3,
    )

    own = conversation.isolations.get().block
    assert sorted(own.value.split()) == sorted([str(n) for n in range(WRITERS)] * 3)
    assert agent.blocks.get().value == ""
    assert list(find_breaches()) == []


def test_concurrent_release_isolate_restore_end_in_one_state():
    conversation = make_conversation(
        make_agent(make_member(), labels=["human"]), isolated=["human"]
    )
    verbs = [release_label, restore_label, isolate_label]

    at_once(lambda writer: verbs[writer % 3](conversation, "human", by=actor()), times=4)

    assert conversation.isolations.count() <= 1
    assert list(find_breaches()) == []
