"""What a V1 database says is here afterwards, with its ids."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from conversations.domain.memory.effective import effective_blocks
from conversations.domain.memory.isolation import release_label
from conversations.domain.memory.revisions import undo
from conversations.models import (
    Agent,
    Block,
    Conversation,
    Message,
    Organization,
    Run,
    Step,
    User,
)
from conversations.transfer.letta_database.source import Scope, open_source

from ...factories import actor
from .v1 import ORGANIZATION, USER

pytestmark = pytest.mark.django_db


def texts_of(conversation_id: str, **conditions) -> list[str]:
    thread = Conversation.objects.get(pk=conversation_id)
    links = thread.message_links.filter(position__gt=0, **conditions).order_by("position")
    return [link.message.text for link in links.select_related("message")]


def own_thread(agent_id: str) -> Conversation:
    return Conversation.objects.get(agent=agent_id, is_default=True)


def reads(conversation_id: str) -> dict[str, str]:
    thread = Conversation.objects.get(pk=conversation_id)
    return {read.label: read.block.value for read in effective_blocks(thread)}


def test_an_agent_with_its_memory_and_conversations(v1, bring):
    agent = v1.agent(timezone="Europe/Lisbon", metadata_={"number": 1})
    v1.insert("agents_tags", agent_id=agent, tag="production")
    human = v1.block("human", "Nobody", agent=agent, description="Who it is", read_only=True)
    thread = v1.thread(agent, "hello", "again", summary="A trip")
    isolated = v1.isolate(thread, "human", "Ada")

    bring()

    imported = Agent.objects.get()
    assert (imported.pk, imported.organization_id, imported.name) == (
        agent,
        ORGANIZATION,
        "Concierge",
    )
    assert (imported.model, imported.context_window_limit) == ("nowhere/model", 9000)
    assert imported.model_settings == {"temperature": 0.5}
    assert (imported.tags, imported.metadata) == (["production"], {"number": 1})
    assert (imported.timezone, imported.created_by_id) == ("Europe/Lisbon", USER)
    block = imported.blocks.get()
    assert (block.pk, block.description, block.read_only) == (human, "Who it is", True)
    assert Conversation.objects.get(pk=thread).summary == "A trip"
    assert Conversation.objects.get(pk=thread).isolated_blocks.get().pk == isolated
    assert reads(thread) == {"human": "Ada"}
    assert reads(own_thread(agent).pk) == {"human": "Nobody"}
    assert texts_of(thread) == ["hello", "again"]


@pytest.mark.parametrize("config", [None, {}, {"context_window": "wide"}, {"context_window": -1}])
def test_an_agent_that_does_not_say_how_much_its_model_reads(v1, bring, config):
    v1.agent(llm_config=config)

    bring()

    assert Agent.objects.get().context_window_limit == Agent.DEFAULT_CONTEXT_WINDOW


def test_accounts(v1, bring):
    other = v1.insert("organizations", id="org-11111111-0000-4000-8000-000000000001", name="Acme")
    user = "user-11111111-0000-4000-8000-000000000001"
    v1.insert("users", id=user, name="alice", organization_id=other)

    told = bring()

    assert Organization.objects.get(pk=ORGANIZATION).name == "Acme"
    assert Organization.objects.get(pk=other).name == "Acme-000000000001"
    assert User.objects.get(pk=user).username == "alice-000000000001"
    assert f"{other}: its name 'Acme' is taken; it is called 'Acme-000000000001'" in told
    assert not User.objects.get(pk=user).has_usable_password()


def test_positions_that_compaction_used_twice(v1, bring):
    """V1 counts what stays in context from 0 again, and leaves the others where they were."""
    agent = v1.agent()
    thread = v1.conversation(agent)
    v1.message(agent, "Old prompt", conversation=thread, position=0, role="system")
    v1.message(agent, "one", conversation=thread, position=1, in_context=False)
    v1.message(agent, "two", conversation=thread, position=2, in_context=False)
    v1.message(agent, "three", conversation=thread, position=2)
    v1.message(agent, "four", conversation=thread, position=3)
    v1.message(agent, "summed up", conversation=thread, position=1, role="summary")

    told = bring()

    assert texts_of(thread) == ["one", "two", "summed up", "three", "four"]
    assert texts_of(thread, in_context=True) == ["summed up", "three", "four"]
    assert f"{thread}: 2 positions were used twice" in told


def test_a_fork_begins_with_its_own_system_message(v1, bring):
    agent = v1.agent()
    thread = v1.thread(agent, "one")
    [(shared,)] = v1.run("SELECT message_id FROM conversation_messages WHERE position = 1")
    fork = v1.conversation(agent)
    v1.message(agent, "Its own prompt", conversation=fork, position=0, role="system")
    v1.hold(fork, shared, 1, agent=agent)
    v1.message(agent, "two", conversation=fork, position=2)

    bring()

    assert texts_of(fork) == ["one", "two"]
    assert texts_of(thread) == ["one"]
    assert Message.objects.get(pk=shared).conversations.count() == 2


def test_the_agents_own_messages_become_its_default_conversation(v1, bring):
    agent = v1.agent()
    ids = [v1.message(agent, "Old prompt", role="system")]
    ids += [v1.message(agent, text) for text in ("one", "two", "three")]
    summary = v1.message(agent, "packed", role="user")
    context = [ids[0], summary, ids[3], "message-gone"]
    v1.run("UPDATE agents SET message_ids = to_json(%s::text[])", context)

    told = bring()

    own = own_thread(agent).pk
    assert texts_of(own) == ["one", "two", "packed", "three"]
    assert texts_of(own, in_context=True) == ["packed", "three"]
    assert f"{agent}: 1 ids in its message_ids name no message of its own thread" in told


def test_a_half_created_conversation_gets_a_system_message(v1, bring):
    agent = v1.agent()
    v1.block("human", "Nobody", agent=agent)
    thread = v1.conversation(agent)
    v1.isolate(thread, "human", "Ada")

    bring()

    system = Conversation.objects.get(pk=thread).message_links.get().message
    assert "Ada" in system.text


def test_a_message_without_a_place_is_kept_out_of_context(v1, bring):
    agent = v1.agent()
    thread = v1.thread(agent, "one")
    v1.message(agent, "lost", conversation=thread)

    told = bring()

    assert texts_of(thread) == ["one", "lost"]
    assert texts_of(thread, in_context=True) == ["one"]
    assert f"{thread}: 1 messages had no position" in told


def drift_of(conversation_id: str) -> str:
    [read] = effective_blocks(Conversation.objects.get(pk=conversation_id))
    return str(read.drift)


def test_the_base_is_known_where_the_shared_block_is_older_than_the_copy(v1, bring):
    agent = v1.agent(created_at="2026-01-01")
    v1.block("human", "Nobody", agent=agent, created_at="2026-01-01", updated_at="2026-01-01")
    thread = v1.thread(agent, created_at="2026-02-01")
    isolated = v1.isolate(thread, "human", "Ada", created_at="2026-02-01")

    told = bring()

    isolation = Conversation.objects.get(pk=thread).isolations.get()
    assert (isolation.block_id, isolation.base_value, isolation.base_version) == (
        isolated,
        "Nobody",
        1,
    )
    assert drift_of(thread) == "isolated_changed"
    assert "unknown" not in told


def test_an_unknown_base_reads_as_diverged_so_that_nothing_is_overwritten(v1, bring):
    agent = v1.agent(created_at="2026-01-01")
    v1.block("human", "Somebody", agent=agent, created_at="2026-01-01", updated_at="2026-03-01")
    thread = v1.thread(agent, created_at="2026-02-01")
    isolated = v1.isolate(thread, "human", "Ada", created_at="2026-02-01")

    told = bring()

    assert drift_of(thread) == "diverged"
    assert f"{isolated}: the base of 'human' in {thread} is unknown in V1" in told
    with pytest.raises(CommandError, match="changed"):
        call_command("overrides", "promote", "--conversation", thread, "--label", "human")


def test_an_isolated_block_that_others_read_too(v1, bring):
    """V1 let it be attached to an agent; then it is shared in fact."""
    agent, other = v1.agent(), v1.agent(name="Other")
    v1.block("human", "Nobody", agent=agent)
    thread = v1.thread(agent)
    block = v1.isolate(thread, "human", "Ada")
    v1.insert("blocks_agents", agent_id=other, block_id=block, block_label="human")

    told = bring()

    assert reads(thread) == {"human": "Ada"}
    assert reads(own_thread(other).pk) == {"human": "Ada"}
    assert Agent.objects.get(pk=other).blocks.get().pk == block
    assert Conversation.objects.get(pk=thread).isolated_blocks.get().pk != block
    assert f"{block}: others read it too; {thread} has a copy of its own" in told


def test_a_block_isolated_in_two_conversations(v1, bring):
    agent = v1.agent()
    v1.block("human", "Nobody", agent=agent)
    one, two = v1.thread(agent), v1.thread(agent)
    v1.isolated(two, v1.isolate(one, "human", "Ada"), "human")

    bring()

    assert reads(one) == reads(two) == {"human": "Ada"}
    assert Block.objects.filter(conversation__isnull=False).count() == 2


def test_an_isolated_block_that_was_renamed(v1, bring):
    agent = v1.agent()
    v1.block("human", "Nobody", agent=agent)
    thread = v1.thread(agent)
    v1.isolated(thread, v1.block("renamed", "Ada"), "human")

    told = bring()

    assert reads(thread) == {"human": "Ada"}
    assert "was renamed to 'renamed' while isolated; it is 'human' again" in told


def test_copies_whose_conversation_is_gone_are_hidden_and_told(v1, bring, client_for):
    agent = v1.agent()
    v1.block("human", "Nobody", agent=agent, created_at="2026-01-01")
    left = v1.block("human", "Ada", created_at="2026-02-01")
    spare = v1.block("spare", "attached to nobody")

    told = bring()

    listed = client_for(User.objects.get(pk=USER)).get("/v1/blocks/?limit=50").json()
    ids = {block["id"] for block in listed}
    assert left not in ids
    assert spare in ids
    assert f"{left}: a copy of 'human' that nothing refers to; it is hidden" in told


def test_history_becomes_revisions(v1, bring):
    agent = v1.agent()
    block = v1.block("human", "three", agent=agent)
    for number, value in enumerate(["one", "two"], start=1):
        v1.insert(
            "block_history", id=f"h{number}", block_id=block, sequence_number=number,
            value=value, limit=1000, created_at=f"2026-01-0{number}",
        )  # fmt: skip

    bring()

    imported = Block.objects.get(pk=block)
    said = list(imported.revisions.order_by("number").values_list("number", "value", "source"))
    assert said == [(1, "one", "import"), (2, "two", "import"), (3, "three", "import")]
    first = imported.revisions.get(number=1).written_at
    assert first == datetime(2026, 1, 1, tzinfo=UTC)
    assert undo(imported, by=actor()).value == "two"


def test_a_text_over_its_limit_is_kept_and_the_limit_raised(v1, bring):
    block = v1.block("human", "x" * 20, agent=v1.agent(), limit=5)

    told = bring()

    assert Block.objects.get(pk=block).limit == 20
    assert f"{block}: its text has 20 characters, the limit was 5" in told


def test_runs_and_steps(v1, bring):
    agent = v1.agent()
    thread = v1.thread(agent)
    v1.run(f"ALTER DATABASE {v1.connection.info.dbname} SET timezone TO 'Asia/Tokyo'")
    done = v1.turn(
        agent,
        conversation_id=thread,
        stop_reason="end_turn",
        completed_at="2026-01-01 10:00",
    )
    step = v1.step(done, prompt_tokens=5, completion_tokens=2, total_tokens=7)
    message = v1.message(agent, "hello", conversation=thread, position=1, run_id=done, step_id=step)
    # V1 never finishes the runs of plain turns, nor says whose they were.
    plain = v1.turn(agent, status="created")
    v1.step(plain)
    v1.message(agent, "plain", conversation=thread, position=2, run_id=plain)
    dead = v1.turn(agent, status="running")

    told = bring()

    run = Run.objects.get(pk=done)
    assert (run.conversation_id, run.status, run.stop_reason) == (thread, "completed", "end_turn")
    assert run.usage["total_tokens"] == 7
    assert run.completed_at == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert Step.objects.get(pk=step).model == "a/b"
    assert Message.objects.get(pk=message).step_id == step
    assert Run.objects.get(pk=plain).conversation_id == thread
    assert Run.objects.get(pk=plain).status == "completed"
    failed = Run.objects.get(pk=dead)
    assert (failed.status, failed.error) == ("failed", "V1 never finished this run")
    assert failed.conversation == own_thread(agent)
    assert f"{plain}: V1 left it 'created'; it is completed" in told


def test_tools_with_code_come_in_inert(v1, bring):
    agent = v1.agent(tool_rules=[{"type": "requires_approval", "tool_name": "look_up"}])
    for name, code in {"look_up": "raise SystemExit", "memory_insert": None}.items():
        tool = v1.insert(
            "tools", id=f"tool-{name}", name=name, source_code=code, json_schema={"name": name},
            organization_id=ORGANIZATION,
        )  # fmt: skip
        v1.insert("tools_agents", agent_id=agent, tool_id=tool)

    bring()

    imported = Agent.objects.get()
    assert imported.tools == ["look_up", "memory_insert"]
    [kept] = imported.tool_definitions
    assert (kept["name"], kept["source_code"]) == ("look_up", "raise SystemExit")
    assert imported.approval_tools == ["look_up"]


@pytest.mark.parametrize("kept", [False, True])
def test_what_v1_deleted_softly(v1, bring, kept):
    agent = v1.agent()
    gone = v1.thread(agent, "gone", is_deleted=True)
    v1.run("UPDATE messages SET is_deleted = true")
    v1.run("UPDATE conversation_messages SET is_deleted = true")
    run = v1.turn(agent, conversation_id=gone)
    deleted_agent = v1.agent(is_deleted=True)

    bring(*(["--deleted"] if kept else []))

    assert Conversation.objects.filter(pk=gone).exists() is kept
    assert Message.objects.filter(content__has_words="gone").exists() is kept
    assert Run.objects.filter(pk=run).exists() is kept
    assert Agent.objects.filter(pk=deleted_agent).exists() is kept
    assert not Conversation.objects.live().filter(pk=gone).exists()
    assert not Agent.objects.live().filter(pk=deleted_agent).exists()


def test_v1_is_only_read(v1):
    with open_source(v1.url, Scope()) as source, pytest.raises(Exception, match="read-only"):
        source.connection.execute("DELETE FROM alembic_version")


def test_prompts_follow_memory(v1, bring):
    agent = v1.agent()
    v1.block("human", "Nobody", agent=agent)
    thread = v1.thread(agent)
    v1.isolate(thread, "human", "Ada")
    v1.message(agent, "Old prompt", role="system")

    bring()

    own = own_thread(agent).message_links.get(position=0).message.text
    assert "Nobody" in own
    # The others are compiled at their next turn, as after any change.
    system = Conversation.objects.get(pk=thread).message_links.get(position=0).message
    assert system.text == "Old prompt"
    call_command("recompile", "--all")
    system.refresh_from_db()
    assert "Ada" in system.text


def test_releasing_an_imported_copy_reads_the_shared_block(v1, bring):
    agent = v1.agent()
    v1.block("human", "Nobody", agent=agent)
    thread = v1.thread(agent)
    v1.isolate(thread, "human", "Ada")
    bring()

    release_label(Conversation.objects.get(pk=thread), "human", by=actor())

    assert reads(thread) == {"human": "Nobody"}


def test_the_past_can_be_asked_for(v1, bring, client_for):
    agent = v1.agent(created_at="2026-01-01")
    v1.block("human", "Nobody", agent=agent, created_at="2026-01-01", updated_at="2026-01-01")
    thread = v1.thread(agent, created_at="2026-02-01")
    v1.isolate(thread, "human", "Ada", created_at="2026-02-01", updated_at="2026-02-01")
    bring()

    at = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(days=1)
    path = f"/v1/conversations/{thread}/blocks?at={at:%Y-%m-%dT%H:%M:%SZ}"
    [read] = client_for(User.objects.get(pk=USER)).get(path).json()

    assert (read["origin"], read["block"]["value"]) == ("isolated", "Ada")
