"""An exported and imported agent equals the original."""

from contextlib import suppress
from datetime import UTC, datetime

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversations.demo.seed import seed_demo
from conversations.domain.actor import SERVER
from conversations.domain.conversations.agents import detach_block, update_agent
from conversations.domain.conversations.conversations import (
    create_conversation,
    delete_conversation,
    fork_conversation,
    update_conversation,
)
from conversations.domain.conversations.messages import append_messages, text_message
from conversations.domain.errors import DomainError
from conversations.domain.integrity.check import find_breaches
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.drift import promote, reset
from conversations.domain.memory.isolation import isolate_label, release_label
from conversations.domain.memory.revisions import undo
from conversations.models import Agent, ConversationMessage, Member

from ...factories import actor, make_agent, make_conversation, make_member, make_messages
from .files import copy_of, export_agent, import_document, snapshot

LABELS = ["human", "to do/<b>\n"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
STEPS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 3), st.sampled_from(LABELS), TEXTS), max_size=12
)


def run_step(agent: Agent, kind: int, which: int, label: str, text: str, by) -> None:
    """Run one verb on an agent."""
    conversations = list(agent.conversations.live().order_by("created_at", "id"))
    conversation = conversations[which % len(conversations)]
    own = conversation.isolations.filter(label=label).first()
    shared = agent.blocks.filter(label=label).first()
    role = ["user", "assistant", "summary", "tool"][which]
    if kind == 0:
        create_conversation(agent, by=by, isolated_labels=[label], summary=text)
    elif kind == 1:
        append_messages(conversation, [text_message(role, text, otid=text or None)], by=by)
    elif kind == 2 and own:
        write_block(own.block, by=by, value=text)
    elif kind == 3 and shared:
        write_block(shared, by=by, value=text, tags=[text], copy_on_write=bool(which))
    elif kind == 4:
        fork_conversation(conversation, by=by)
    elif kind == 5:
        isolate_label(conversation, label, by=by)
    elif kind == 6:
        release_label(conversation, label, by=by)
    elif kind == 7:
        ConversationMessage.objects.filter(conversation=conversation, position=which + 1).update(
            in_context=False
        )
    elif kind == 8 and shared:
        detach_block(agent, shared, by=by)
    elif kind == 9:
        promote(conversation, label, by=by)
    elif kind == 10:
        reset(conversation, label, by=by)
    elif kind == 11 and own:
        undo(own.block, by=by)
    elif kind == 12:
        delete_conversation(conversation, by=by)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS, revisions=st.booleans())
def test_any_agent_round_trips_without_loss(db, steps, revisions):
    with transaction.atomic():
        member = make_member()
        agent = make_agent(member, labels=LABELS, tags=["x"], tools=["memory_insert"])
        for step in steps:
            with suppress(DomainError):  # Not every verb applies at every step.
                run_step(agent, *step, by=actor(member))

        again = copy_of(agent, member, with_revisions=revisions)

        agent.refresh_from_db()
        assert snapshot(again, revisions=revisions) == snapshot(agent, revisions=revisions)
        assert list(find_breaches()) == []
        transaction.set_rollback(True)  # The next example starts without rows.


def test_demo_round_trips_into_another_organization(mallory):
    for agent in Agent.objects.in_organization(seed_demo()):
        again = copy_of(agent, mallory, with_revisions=True)

        assert snapshot(again, revisions=True) == snapshot(agent, revisions=True)
        assert again.organization_id == mallory.organization_id
    assert list(find_breaches()) == []


def test_fork_shares_messages_after_import(alice):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])
    make_messages(conversation, "one", "two")
    fork = fork_conversation(conversation, by=actor(alice))
    make_messages(fork, "three")

    again = copy_of(agent, alice)

    # Three system messages, and "one", "two" and "three" once each.
    assert again.messages.count() == 6
    assert snapshot(again) == snapshot(agent)


def test_settings_round_trip(alice):
    agent = make_agent(alice, labels=["human"])
    agent = update_agent(
        agent,
        by=actor(alice),
        isolated_labels=["human"],
        model_settings={"temperature": 0.5},
        timezone="Europe/Lisbon",
        metadata={"number": 2**70},
        tool_rules=[{"type": "run_first", "tool_name": "memory_insert"}],
    )
    update_conversation(
        make_conversation(agent),
        by=actor(alice),
        model="openai/other",
        archived_at=datetime(2026, 1, 1, tzinfo=UTC),
    )

    again = copy_of(agent, alice)

    assert snapshot(again) == snapshot(agent)
    assert again.isolated_labels == ["human"]


def test_undo_works_on_imported_revisions(alice):
    agent = make_agent(alice, labels=["human"])
    block = agent.blocks.get()
    for value in ("one", "two"):
        write_block(block, by=actor(alice), value=value)

    again = copy_of(agent, alice, with_revisions=True)

    assert undo(again.blocks.get(), by=actor(alice)).value == "one"


def test_export_of_one_conversation_has_its_messages_only(alice):
    agent = make_agent(alice, labels=["human"])
    conversation = make_conversation(agent, isolated=["human"])
    make_messages(conversation, "mine")
    make_messages(make_conversation(agent), "of another conversation")

    document = export_agent(agent, by=SERVER, conversation=conversation)

    texts = [message["content"][0]["text"] for message in document["agents"][0]["messages"]]
    assert texts[1:] == ["mine"]
    [imported] = import_document(alice, document)
    assert imported.conversations.count() == 2
    assert "of another conversation" not in str(document)


def test_export_has_no_key_that_v1_rejects(alice):
    """V1 accepts unknown keys at the top level only."""
    agent = make_agent(alice, labels=["human"])
    make_messages(make_conversation(agent, isolated=["human"]), "hello")

    document = export_agent(agent, by=SERVER)

    [described] = document["agents"]
    assert {"isolated_labels", "conversations", "created_at"} & set(described) == set()
    for block in document["blocks"]:
        assert {"tags", "version", "copy_on_write", "conversation_id"} & set(block) == set()
    for message in described["messages"]:
        assert {"is_err", "run_id", "step_id"} & set(message) == set()
    assert all(isinstance(value, str) for value in document["metadata"].values())


def test_import_records_actor(alice):
    agent = copy_of(make_agent(labels=["human"]), alice)

    assert agent.created_by == alice
    assert Member.objects.get(pk=agent.blocks.get().revisions.get().written_by_id) == alice
