"""An import stores the rows of a V1 database, with their ids."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from conversations.domain.memory.effective import effective_blocks
from conversations.domain.memory.isolation import release_label
from conversations.domain.memory.revisions import undo
from conversations.domain.tools.catalog import named_tools
from conversations.domain.tools.variables import variables_of
from conversations.ids import new_id
from conversations.models import (
    Agent,
    AgentArchive,
    Archive,
    Block,
    Conversation,
    Identity,
    Member,
    Message,
    Organization,
    Passage,
    Run,
    Step,
)
from conversations.transfer.letta_database.v1_database import Scope, open_v1_database

from ...factories import actor
from .v1 import ORGANIZATION, USER

pytestmark = pytest.mark.django_db


def texts_of(conversation_id: str, **conditions) -> list[str]:
    conversation = Conversation.objects.get(pk=conversation_id)
    links = conversation.message_links.filter(position__gt=0, **conditions).order_by("position")
    return [link.message.text for link in links.select_related("message")]


def default_conversation(agent_id: str) -> Conversation:
    return Conversation.objects.get(agent=agent_id, is_default=True)


def reads(conversation_id: str) -> dict[str, str]:
    conversation = Conversation.objects.get(pk=conversation_id)
    return {read.label: read.block.value for read in effective_blocks(conversation)}


def test_agent_with_blocks_and_conversations_is_imported(v1, import_v1):
    agent = v1.agent(timezone="Europe/Lisbon", metadata_={"number": 1})
    v1.insert("agents_tags", agent_id=agent, tag="production")
    human = v1.block("human", "Nobody", agent=agent, description="Who it is", read_only=True)
    conversation = v1.conversation(agent, "hello", "again", summary="A trip")
    isolated = v1.isolate(conversation, "human", "Ada")

    import_v1()

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
    assert Conversation.objects.get(pk=conversation).summary == "A trip"
    assert Conversation.objects.get(pk=conversation).isolated_blocks.get().pk == isolated
    assert reads(conversation) == {"human": "Ada"}
    assert reads(default_conversation(agent).pk) == {"human": "Nobody"}
    assert texts_of(conversation) == ["hello", "again"]


@pytest.mark.parametrize("config", [None, {}, {"context_window": "wide"}, {"context_window": -1}])
def test_agent_without_context_window_gets_the_default(v1, import_v1, config):
    v1.agent(llm_config=config)

    import_v1()

    assert Agent.objects.get().context_window_limit == Agent.DEFAULT_CONTEXT_WINDOW


def test_duplicate_organization_and_member_names_get_a_suffix(v1, import_v1):
    other = v1.insert("organizations", id="org-11111111-0000-4000-8000-000000000001", name="Acme")
    user = "user-11111111-0000-4000-8000-000000000001"
    v1.insert("users", id=user, name="alice", organization_id=other)
    double = "user-11111111-0000-4000-8000-000000000002"
    v1.insert("users", id=double, name="alice", organization_id=other)

    output = import_v1()

    assert Organization.objects.get(pk=ORGANIZATION).name == "Acme"
    assert Organization.objects.get(pk=other).name == "Acme-000000000001"
    members = Member.objects.filter(organization=other).order_by("pk")
    assert [(m.pk, m.name, m.user) for m in members] == [
        (user, "alice", None),
        (double, "alice-000000000002", None),
    ]
    assert f"{other}: the name 'Acme' is taken; imported as 'Acme-000000000001'" in output
    assert f"{double}: the name 'alice' is taken; imported as 'alice-000000000002'" in output


def test_duplicate_positions_are_renumbered(v1, import_v1):
    """V1's compaction numbers messages in context from 0 again and keeps the other numbers."""
    agent = v1.agent()
    conversation = v1.empty_conversation(agent)
    v1.message(agent, "Old prompt", conversation=conversation, position=0, role="system")
    v1.message(agent, "one", conversation=conversation, position=1, in_context=False)
    v1.message(agent, "two", conversation=conversation, position=2, in_context=False)
    v1.message(agent, "three", conversation=conversation, position=2)
    v1.message(agent, "four", conversation=conversation, position=3)
    v1.message(agent, "summed up", conversation=conversation, position=1, role="summary")

    output = import_v1()

    assert texts_of(conversation) == ["one", "two", "summed up", "three", "four"]
    assert texts_of(conversation, in_context=True) == ["summed up", "three", "four"]
    assert f"{conversation}: 2 duplicate message positions; renumbered" in output


def test_fork_starts_with_its_own_system_message(v1, import_v1):
    agent = v1.agent()
    conversation = v1.conversation(agent, "one")
    [(shared,)] = v1.execute("SELECT message_id FROM conversation_messages WHERE position = 1")
    fork = v1.empty_conversation(agent)
    v1.message(agent, "Its own prompt", conversation=fork, position=0, role="system")
    v1.list_message(fork, shared, 1, agent=agent)
    v1.message(agent, "two", conversation=fork, position=2)

    import_v1()

    assert texts_of(fork) == ["one", "two"]
    assert texts_of(conversation) == ["one"]
    assert Message.objects.get(pk=shared).conversations.count() == 2


def test_agents_own_messages_form_the_default_conversation(v1, import_v1):
    agent = v1.agent()
    ids = [v1.message(agent, "Old prompt", role="system")]
    ids += [v1.message(agent, text) for text in ("one", "two", "three")]
    summary = v1.message(agent, "packed", role="user")
    context = [ids[0], summary, ids[3], "message-gone"]
    v1.execute("UPDATE agents SET message_ids = to_json(%s::text[])", context)

    output = import_v1()

    own = default_conversation(agent).pk
    assert texts_of(own) == ["one", "two", "packed", "three"]
    assert texts_of(own, in_context=True) == ["packed", "three"]
    assert f"{agent}: 1 unknown or repeated ids in message_ids" in output


def test_conversation_without_system_message_gets_one(v1, import_v1):
    agent = v1.agent()
    v1.block("human", "Nobody", agent=agent)
    conversation = v1.empty_conversation(agent)
    v1.isolate(conversation, "human", "Ada")

    import_v1()

    system = Conversation.objects.get(pk=conversation).message_links.get().message
    assert "Ada" in system.text


def test_message_without_position_is_out_of_context(v1, import_v1):
    agent = v1.agent()
    conversation = v1.conversation(agent, "one")
    v1.message(agent, "lost", conversation=conversation)

    output = import_v1()

    assert texts_of(conversation) == ["one", "lost"]
    assert texts_of(conversation, in_context=True) == ["one"]
    assert f"{conversation}: 1 messages without a position; imported out of context" in output


def drift_of(conversation_id: str) -> str:
    [read] = effective_blocks(Conversation.objects.get(pk=conversation_id))
    return str(read.drift)


def test_base_is_the_shared_value_when_it_is_older(v1, import_v1):
    agent = v1.agent(created_at="2026-01-01")
    v1.block("human", "Nobody", agent=agent, created_at="2026-01-01", updated_at="2026-01-01")
    conversation = v1.conversation(agent, created_at="2026-02-01")
    isolated = v1.isolate(conversation, "human", "Ada", created_at="2026-02-01")

    output = import_v1()

    isolation = Conversation.objects.get(pk=conversation).isolations.get()
    assert (isolation.block_id, isolation.base_value, isolation.base_version) == (
        isolated,
        "Nobody",
        1,
    )
    assert drift_of(conversation) == "isolated_changed"
    assert "no base" not in output


def test_unknown_base_is_diverged_and_promote_conflicts(v1, import_v1):
    agent = v1.agent(created_at="2026-01-01")
    v1.block("human", "Somebody", agent=agent, created_at="2026-01-01", updated_at="2026-03-01")
    conversation = v1.conversation(agent, created_at="2026-02-01")
    isolated = v1.isolate(conversation, "human", "Ada", created_at="2026-02-01")

    output = import_v1()

    assert drift_of(conversation) == "diverged"
    assert f"{isolated}: V1 has no base for 'human' in {conversation}" in output
    with pytest.raises(CommandError, match="changed"):
        call_command("overrides", "promote", "--conversation", conversation, "--label", "human")


def test_isolated_block_attached_to_an_agent_is_copied(v1, import_v1):
    """V1 allows this; the block is then effectively shared."""
    agent, other = v1.agent(), v1.agent(name="Other")
    v1.block("human", "Nobody", agent=agent)
    conversation = v1.conversation(agent)
    block = v1.isolate(conversation, "human", "Ada")
    v1.insert("blocks_agents", agent_id=other, block_id=block, block_label="human")

    output = import_v1()

    assert reads(conversation) == {"human": "Ada"}
    assert reads(default_conversation(other).pk) == {"human": "Ada"}
    assert Agent.objects.get(pk=other).blocks.get().pk == block
    assert Conversation.objects.get(pk=conversation).isolated_blocks.get().pk != block
    assert f"{block}: isolated in {conversation} and used elsewhere; " in output


def test_block_isolated_twice_is_copied_per_conversation(v1, import_v1):
    agent = v1.agent()
    v1.block("human", "Nobody", agent=agent)
    one, two = v1.conversation(agent), v1.conversation(agent)
    v1.link_isolated(two, v1.isolate(one, "human", "Ada"), "human")

    import_v1()

    assert reads(one) == reads(two) == {"human": "Ada"}
    assert Block.objects.filter(conversation__isnull=False).count() == 2


def test_renamed_isolated_block_keeps_its_isolated_label(v1, import_v1):
    agent = v1.agent()
    v1.block("human", "Nobody", agent=agent)
    conversation = v1.conversation(agent)
    v1.link_isolated(conversation, v1.block("renamed", "Ada"), "human")

    output = import_v1()

    assert reads(conversation) == {"human": "Ada"}
    assert "renamed to 'renamed' in V1; imported as 'human'" in output


def test_orphaned_isolated_copy_is_hidden(v1, import_v1, client_for):
    agent = v1.agent()
    v1.block("human", "Nobody", agent=agent, created_at="2026-01-01")
    orphan = v1.block("human", "Ada", created_at="2026-02-01")
    spare = v1.block("spare", "attached to nobody")

    output = import_v1()

    listed = client_for(Member.objects.get(pk=USER)).get("/v1/blocks/?limit=50").json()
    ids = {block["id"] for block in listed}
    assert orphan not in ids
    assert spare in ids
    assert f"{orphan}: an isolated copy of 'human' without a conversation" in output


def test_block_history_becomes_revisions(v1, import_v1):
    agent = v1.agent()
    block = v1.block("human", "three", agent=agent)
    for number, value in enumerate(["one", "two"], start=1):
        v1.insert(
            "block_history", id=f"h{number}", block_id=block, sequence_number=number,
            value=value, limit=1000, created_at=f"2026-01-0{number}",
        )  # fmt: skip

    import_v1()

    imported = Block.objects.get(pk=block)
    revisions = list(imported.revisions.order_by("number").values_list("number", "value", "source"))
    assert revisions == [(1, "one", "import"), (2, "two", "import"), (3, "three", "import")]
    first = imported.revisions.get(number=1).written_at
    assert first == datetime(2026, 1, 1, tzinfo=UTC)
    assert undo(imported, by=actor()).value == "two"


def test_limit_is_raised_to_the_length_of_the_value(v1, import_v1):
    block = v1.block("human", "x" * 20, agent=v1.agent(), limit=5)

    output = import_v1()

    assert Block.objects.get(pk=block).limit == 20
    assert f"{block}: the limit 5 is raised to 20" in output


def test_runs_and_steps_are_imported_as_ended(v1, import_v1):
    agent = v1.agent()
    conversation = v1.conversation(agent)
    v1.execute(f"ALTER DATABASE {v1.connection.info.dbname} SET timezone TO 'Asia/Tokyo'")
    done = v1.run(
        agent,
        conversation_id=conversation,
        stop_reason="end_turn",
        completed_at="2026-01-01 10:00",
    )
    step = v1.step(done, prompt_tokens=5, completion_tokens=2, total_tokens=7)
    message = v1.message(
        agent, "hello", conversation=conversation, position=1, run_id=done, step_id=step
    )
    # V1 neither ends the run of a plain turn nor stores its conversation.
    plain = v1.run(agent, status="created")
    v1.step(plain)
    v1.message(agent, "plain", conversation=conversation, position=2, run_id=plain)
    dead = v1.run(agent, status="running")

    output = import_v1()

    run = Run.objects.get(pk=done)
    assert (run.conversation_id, run.status, run.stop_reason) == (
        conversation,
        "completed",
        "end_turn",
    )
    assert run.usage["total_tokens"] == 7
    assert run.completed_at == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert Step.objects.get(pk=step).model == "a/b"
    assert Message.objects.get(pk=message).step_id == step
    assert Run.objects.get(pk=plain).conversation_id == conversation
    assert Run.objects.get(pk=plain).status == "completed"
    failed = Run.objects.get(pk=dead)
    assert (failed.status, failed.error) == ("failed", "V1 never finished this run")
    assert failed.conversation == default_conversation(agent)
    assert f"{plain}: V1 left it 'created'; imported as 'completed'" in output


def test_tools_rules_and_variables_are_imported(v1, import_v1):
    rules = [{"type": "exit_loop", "tool_name": "look_up"}, {"type": "nope", "tool_name": "x"}]
    agent = v1.agent(tool_rules=rules)
    ids = {}
    for name, kind in {"look_up": "custom", "memory_insert": "letta_sleeptime_core"}.items():
        ids[name] = v1.insert(
            "tools", id=new_id("tool"), name=name, tool_type=kind, json_schema={"name": name},
            source_code="raise SystemExit", default_requires_approval=kind == "custom",
            return_char_limit=None, organization_id=ORGANIZATION,
        )  # fmt: skip
        v1.insert("tools_agents", agent_id=agent, tool_id=ids[name])
    for key, value in {"READABLE": "tide", "SEALED": ""}.items():
        v1.insert(
            "agent_environment_variables", id=new_id("agent-env"), key=key, value=value,
            value_enc="sealed", agent_id=agent, organization_id=ORGANIZATION,
        )  # fmt: skip

    output = import_v1()
    import_v1()

    imported = Agent.objects.get()
    assert {tool.name: tool.pk for tool in imported.tools.all()} == ids
    tool = imported.tools.get(name="look_up")
    assert (tool.source_code, tool.return_char_limit) == ("raise SystemExit", 50_000)
    assert imported.approval_tools == {"look_up"}
    assert [rule["type"] for rule in imported.tool_rules] == ["exit_loop", "requires_approval"]
    assert variables_of(imported) == {"READABLE": "tide"}
    assert "V1 stores the value of SEALED encrypted only" in output
    assert "a tool rule is left out: expected one of" in output


def test_tool_here_is_kept_if_its_name_is_taken(v1, import_v1):
    agent = v1.agent()
    import_v1()
    [here] = named_tools(Agent.objects.get().organization, ["memory_insert"])
    tool = v1.insert(
        "tools", id=new_id("tool"), name="memory_insert", tool_type="letta_sleeptime_core",
        organization_id=ORGANIZATION,
    )  # fmt: skip
    v1.insert("tools_agents", agent_id=agent, tool_id=tool)

    import_v1()

    assert [attached.pk for attached in Agent.objects.get().tools.all()] == [here.pk]


@pytest.mark.parametrize("kept", [False, True])
def test_soft_deleted_rows_are_imported_only_on_request(v1, import_v1, kept):
    agent = v1.agent()
    gone = v1.conversation(agent, "gone", is_deleted=True)
    v1.execute("UPDATE messages SET is_deleted = true")
    v1.execute("UPDATE conversation_messages SET is_deleted = true")
    run = v1.run(agent, conversation_id=gone)
    deleted_agent = v1.agent(is_deleted=True)

    import_v1(*(["--deleted"] if kept else []))

    assert Conversation.objects.filter(pk=gone).exists() is kept
    assert Message.objects.filter(content__has_words="gone").exists() is kept
    assert Run.objects.filter(pk=run).exists() is kept
    assert Agent.objects.filter(pk=deleted_agent).exists() is kept
    assert not Conversation.objects.live().filter(pk=gone).exists()
    assert not Agent.objects.live().filter(pk=deleted_agent).exists()


def test_v1_connection_is_read_only(v1):
    with open_v1_database(v1.url, Scope()) as database, pytest.raises(Exception, match="read-only"):
        database.connection.execute("DELETE FROM alembic_version")


def test_default_prompt_is_recompiled_and_others_on_demand(v1, import_v1):
    agent = v1.agent()
    v1.block("human", "Nobody", agent=agent)
    conversation = v1.conversation(agent)
    v1.isolate(conversation, "human", "Ada")
    v1.message(agent, "Old prompt", role="system")

    import_v1()

    own = default_conversation(agent).message_links.get(position=0).message.text
    assert "Nobody" in own
    # Other conversations are recompiled at their next turn.
    system = Conversation.objects.get(pk=conversation).message_links.get(position=0).message
    assert system.text == "Old prompt"
    call_command("recompile", "--all")
    system.refresh_from_db()
    assert "Ada" in system.text


def test_release_of_imported_block_restores_the_shared_one(v1, import_v1):
    agent = v1.agent()
    v1.block("human", "Nobody", agent=agent)
    conversation = v1.conversation(agent)
    v1.isolate(conversation, "human", "Ada")
    import_v1()

    release_label(Conversation.objects.get(pk=conversation), "human", by=actor())

    assert reads(conversation) == {"human": "Nobody"}


def test_blocks_can_be_read_as_of_a_time_before_the_import(v1, import_v1, client_for):
    agent = v1.agent(created_at="2026-01-01")
    v1.block("human", "Nobody", agent=agent, created_at="2026-01-01", updated_at="2026-01-01")
    conversation = v1.conversation(agent, created_at="2026-02-01")
    v1.isolate(conversation, "human", "Ada", created_at="2026-02-01", updated_at="2026-02-01")
    import_v1()

    at = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(days=1)
    path = f"/v1/conversations/{conversation}/blocks?at={at:%Y-%m-%dT%H:%M:%SZ}"
    [read] = client_for(Member.objects.get(pk=USER)).get(path).json()

    assert (read["origin"], read["block"]["value"]) == ("isolated", "Ada")


def test_archive_with_passages_and_vectors_is_imported(v1, import_v1):
    agent = v1.agent()
    archive = v1.archive(agent=agent, description="Books", metadata_={"shelf": 1})
    passage = v1.passage(
        archive,
        "The harbor freezes.",
        tags=["sea", "ice"],
        metadata_={"page": 3},
        embedding=[0.1, 0.2, 0.3, 0.0, 0.0],  # V1 fills vectors up with zeros.
        created_at="2020-05-05T00:00:00Z",
    )
    v1.passage(archive, "Without a vector", tags=None)

    import_v1()

    stored = Archive.objects.get()
    assert (stored.pk, stored.name, stored.description) == (archive, "Library", "Books")
    assert (stored.embedding, stored.metadata) == ("openai/embedding", {"shelf": 1})
    link = AgentArchive.objects.get()
    assert (link.agent_id, link.archive_id, link.is_owner) == (agent, archive, True)
    first, second = Passage.objects.with_vectors().order_by("created_at")
    assert (first.pk, first.text, first.tags) == (passage, "The harbor freezes.", ["sea", "ice"])
    assert first.metadata == {"page": 3}
    assert first.created_at == datetime(2020, 5, 5, tzinfo=UTC)
    assert first.embedding == pytest.approx([0.1, 0.2, 0.3])
    assert (first.dimensions, first.embed_at) == (3, None)
    assert (second.tags, second.embedding, second.dimensions) == ([], None, None)


def test_second_import_brings_new_passages_only(v1, import_v1):
    agent = v1.agent()
    archive = v1.archive(agent=agent)
    passage = v1.passage(archive, "first", embedding=[0.1, 0.2, 0.3])
    import_v1()
    Passage.objects.filter(pk=passage).update(deleted_at=datetime(2026, 1, 1, tzinfo=UTC))
    v1.passage(archive, "second")

    import_v1()

    assert sorted(Passage.objects.values_list("text", flat=True)) == ["first", "second"]
    assert [p.text for p in Passage.objects.live()] == ["second"]


def test_archive_of_other_agents_is_out_of_scope(v1, import_v1):
    agent, other = v1.agent(), v1.agent()
    v1.passage(v1.archive(agent=agent), "mine")
    v1.passage(v1.archive(agent=other), "theirs")
    v1.passage(v1.archive(is_deleted=True), "deleted")

    import_v1("--agent", agent)

    assert [p.text for p in Passage.objects.all()] == ["mine"]


def test_archive_of_other_organization_is_not_attached(v1, capsys):
    agent = v1.agent()
    v1.insert("organizations", id=new_id("org"), name="Elsewhere", created_at="2026-01-01")
    [(other,)] = v1.execute("SELECT id FROM organizations WHERE name = 'Elsewhere'")
    archive = v1.archive(agent=agent, organization_id=other)

    call_command("import_letta", "--from", v1.url)

    assert not AgentArchive.objects.exists()
    output = "".join(capsys.readouterr())
    assert f"{archive}: of another organization; not attached to {agent}" in output


def test_identities_are_imported_with_agents_and_blocks(v1, import_v1):
    agent = v1.agent()
    block = v1.block("human", "Ada", agent=agent)
    plan = {"key": "plan", "value": "pro", "type": "string"}
    fields = {"organization_id": ORGANIZATION, "name": "Ada", "identity_type": "user"}
    ada, twin = sorted([new_id("identity"), new_id("identity")])
    v1.insert("identities", id=ada, identifier_key="ada", properties=[plan], **fields)
    v1.insert("identities", id=twin, identifier_key="ada", project_id="project", **fields)
    v1.insert("identities_agents", identity_id=ada, agent_id=agent)
    v1.insert("identities_blocks", identity_id=ada, block_id=block)

    for _ in range(2):
        import_v1()

        imported = Identity.objects.get(identifier_key="ada")
        assert (imported.pk, imported.properties) == (ada, [plan])
        assert [row.pk for row in imported.agents.all()] == [agent]
        assert [row.pk for row in imported.blocks.all()] == [block]
        assert Identity.objects.get(identifier_key=f"ada-{twin}").project_id == "project"
