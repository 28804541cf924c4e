"""Export, then import, gives an equal agent."""

from contextlib import suppress
from datetime import UTC, datetime

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversations.demo.seed import seed_demo
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
from conversations.models import Agent, ConversationMessage, User

from ...factories import actor, make_agent, make_conversation, make_messages, make_user
from .files import bring, copy_of, export_agent, told

LABELS = ["human", "todo"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
STEPS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 3), st.sampled_from(LABELS), TEXTS), max_size=12
)


def live(agent: Agent, kind: int, which: int, label: str, text: str, by) -> None:
    """One thing that happens to an agent."""
    threads = list(agent.conversations.live().order_by("created_at", "id"))
    thread = threads[which % len(threads)]
    own = thread.isolations.filter(label=label).first()
    shared = agent.blocks.filter(label=label).first()
    role = ["user", "assistant", "summary", "tool"][which]
    if kind == 0:
        create_conversation(agent, by=by, isolated_labels=[label], summary=text)
    elif kind == 1:
        append_messages(thread, [text_message(role, text, otid=text or None)], by=by)
    elif kind == 2 and own:
        write_block(own.block, by=by, value=text)
    elif kind == 3 and shared:
        write_block(shared, by=by, value=text, tags=[text], copy_on_write=bool(which))
    elif kind == 4:
        fork_conversation(thread, by=by)
    elif kind == 5:
        isolate_label(thread, label, by=by)
    elif kind == 6:
        release_label(thread, label, by=by)
    elif kind == 7:
        ConversationMessage.objects.filter(conversation=thread, position=which + 1).update(
            in_context=False
        )
    elif kind == 8 and shared:
        detach_block(agent, shared, by=by)
    elif kind == 9:
        promote(thread, label, by=by)
    elif kind == 10:
        reset(thread, label, by=by)
    elif kind == 11 and own:
        undo(own.block, by=by)
    elif kind == 12:
        delete_conversation(thread, by=by)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS, revisions=st.booleans())
def test_an_exported_agent_comes_back_equal(db, steps, revisions):
    with transaction.atomic():
        user = make_user()
        agent = make_agent(user, labels=LABELS, tags=["x"], tools=["memory_insert"])
        for step in steps:
            with suppress(DomainError):  # Some wishes make no sense there; others do.
                live(agent, *step, by=actor(user))

        again = copy_of(agent, user, with_revisions=revisions)

        agent.refresh_from_db()
        assert told(again, revisions=revisions) == told(agent, revisions=revisions)
        assert list(find_breaches()) == []
        transaction.set_rollback(True)  # Examples do not see each other's rows.


def test_the_demo_comes_back_equal_in_another_organization(mallory):
    for agent in Agent.objects.in_organization(seed_demo()):
        again = copy_of(agent, mallory, with_revisions=True)

        assert told(again, revisions=True) == told(agent, revisions=True)
        assert again.organization_id == mallory.organization_id
    assert list(find_breaches()) == []


def test_a_fork_shares_its_messages_after_the_import_too(alice):
    agent = make_agent(alice, labels=["human"])
    thread = make_conversation(agent, isolated=["human"])
    make_messages(thread, "one", "two")
    fork = fork_conversation(thread, by=actor(alice))
    make_messages(fork, "three")

    again = copy_of(agent, alice)

    # Three system messages, and "one", "two" and "three" once each.
    assert again.messages.count() == 6
    assert told(again) == told(agent)


def test_settings_come_along(alice):
    agent = make_agent(alice, labels=["human"])
    agent = update_agent(
        agent,
        by=actor(alice),
        isolated_labels=["human"],
        model_settings={"temperature": 0.5},
        timezone="Europe/Lisbon",
        metadata={"number": 2**70},
        approval_tools=[],
    )
    update_conversation(
        make_conversation(agent),
        by=actor(alice),
        model="openai/other",
        archived_at=datetime(2026, 1, 1, tzinfo=UTC),
    )

    again = copy_of(agent, alice)

    assert told(again) == told(agent)
    assert again.isolated_labels == ["human"]


def test_undo_works_on_revisions_that_came_along(alice):
    agent = make_agent(alice, labels=["human"])
    block = agent.blocks.get()
    for value in ("one", "two"):
        write_block(block, by=actor(alice), value=value)

    again = copy_of(agent, alice, with_revisions=True)

    assert undo(again.blocks.get(), by=actor(alice)).value == "one"


def test_one_conversation_can_be_exported_and_its_messages_are_the_agents(alice):
    agent = make_agent(alice, labels=["human"])
    thread = make_conversation(agent, isolated=["human"])
    make_messages(thread, "mine")
    make_messages(make_conversation(agent), "not asked for")

    document = export_agent(agent, conversation=thread)

    texts = [message["content"][0]["text"] for message in document["agents"][0]["messages"]]
    assert texts[1:] == ["mine"]
    [imported] = bring(alice, document)
    assert imported.conversations.count() == 2
    assert "not asked for" not in str(document)


def test_readers_of_v1_find_nothing_that_they_refuse(alice):
    """They take any key at the top, and only their own keys further down."""
    agent = make_agent(alice, labels=["human"])
    make_messages(make_conversation(agent, isolated=["human"]), "hello")

    document = export_agent(agent)

    [described] = document["agents"]
    assert {"isolated_labels", "conversations", "created_at"} & set(described) == set()
    for block in document["blocks"]:
        assert {"tags", "version", "copy_on_write", "conversation_id"} & set(block) == set()
    for message in described["messages"]:
        assert {"is_err", "run_id", "step_id"} & set(message) == set()
    assert all(isinstance(value, str) for value in document["metadata"].values())


def test_who_did_it_is_recorded(alice):
    agent = copy_of(make_agent(labels=["human"]), alice)

    assert agent.created_by == alice
    assert User.objects.get(pk=agent.blocks.get().revisions.get().written_by_id) == alice
