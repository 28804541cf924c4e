"""Import a V1 database again, in part, or as a dry run."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from conversations.domain.conversations.agents import attach_block
from conversations.domain.integrity.check import find_breaches
from conversations.domain.memory.blocks import create_block, write_block
from conversations.models import (
    Agent,
    Block,
    Conversation,
    ConversationMessage,
    Organization,
    Run,
    Step,
)
from conversations.transfer.letta_database.findings import Findings
from conversations.transfer.letta_database.importer import insert
from conversations.transfer.letta_database.v1_database import (
    Scope,
    V1DatabaseError,
    open_v1_database,
)

from ...api.stored_rows import stored
from ...factories import actor, make_messages
from .v1 import ORGANIZATION, V1

pytestmark = pytest.mark.django_db
OTHER = "org-11111111-0000-4000-8000-000000000001"


@pytest.fixture
def import_v1(v1: V1, capsys):
    def run(*arguments: str) -> str:
        call_command("import_letta", "--from", v1.url, *arguments)
        assert list(find_breaches()) == []
        output = capsys.readouterr()
        return output.out + output.err

    return run


@pytest.fixture
def conversation(v1) -> str:
    """Create a conversation that isolates the only block of its agent."""
    agent = v1.agent()
    v1.block("human", "Nobody", agent=agent, created_at="2026-01-01", updated_at="2026-01-01")
    conversation = v1.conversation(agent, "one", created_at="2026-02-01")
    v1.isolate(conversation, "human", "Ada", created_at="2026-02-01")
    v1.step(v1.run(agent, conversation_id=conversation))
    return conversation


def test_second_import_changes_nothing(v1, import_v1, conversation):
    import_v1()
    before = stored()

    output = import_v1()

    after = stored()
    assert len(after.pop("AuditEvent")) == 1 + len(before.pop("AuditEvent"))
    assert after == before
    assert "messages: 0 imported" in output
    assert "Verified: every row is stored as it was converted." in output


def test_later_import_adds_new_rows(v1, import_v1, conversation):
    [(agent,)] = v1.execute("SELECT id FROM agents")
    import_v1()
    v1.message(agent, "two", conversation=conversation, position=2)
    v1.execute("UPDATE conversation_messages SET in_context = false WHERE position = 1")
    v1.execute("UPDATE conversations SET last_message_at = '2026-05-05', summary = 'Named since'")
    v1.execute("UPDATE runs SET status = 'failed', stop_reason = 'error'")
    later = v1.conversation(agent, "later")
    another = v1.agent(name="Another")

    import_v1()

    links = Conversation.objects.get(pk=conversation).message_links.order_by("position")
    assert [(link.message.text, link.in_context) for link in links[1:]] == [
        ("one", False),
        ("two", True),
    ]
    followed = Conversation.objects.get(pk=conversation)
    assert followed.last_message_at == datetime(2026, 5, 5, tzinfo=UTC)
    assert followed.summary == "Named since"
    assert Run.objects.get().status == "failed"
    assert Conversation.objects.filter(pk=later).exists()
    assert Agent.objects.filter(pk=another).exists()


def test_text_changed_in_v1_becomes_a_revision(v1, import_v1, conversation):
    import_v1()
    v1.execute("UPDATE block SET value = 'Ada L.' WHERE value = 'Ada'")
    v1.execute("UPDATE block SET value = 'Someone' WHERE value = 'Nobody'")

    import_v1()

    own = Conversation.objects.get(pk=conversation).isolated_blocks.get()
    assert (own.value, own.version) == ("Ada L.", 2)
    assert own.revisions.get(number=2).source == "import"
    assert Block.objects.get(conversation=None).value == "Someone"


def test_block_edited_here_is_kept_and_reported(v1, import_v1, conversation, capsys):
    import_v1()
    own = Conversation.objects.get(pk=conversation).isolated_blocks.get()
    write_block(own, by=actor(), value="Ada of ours")
    v1.execute("UPDATE block SET value = 'Ada of theirs' WHERE value = 'Ada'")

    with pytest.raises(CommandError, match="1 rows differ from V1"):
        import_v1()

    assert f"blocks {own.pk}: differs from V1 in value" in capsys.readouterr().out
    own.refresh_from_db()
    assert own.value == "Ada of ours"


def test_conversation_continued_here_is_kept_and_reported(v1, import_v1, conversation, capsys):
    [(agent,)] = v1.execute("SELECT id FROM agents")
    import_v1()
    make_messages(Conversation.objects.get(pk=conversation), "said here")
    v1.message(agent, "said there", conversation=conversation, position=2)

    with pytest.raises(CommandError, match="differ from V1"):
        import_v1()

    assert (
        f"conversation messages {conversation}: differs from V1 in order" in capsys.readouterr().out
    )
    held = ConversationMessage.objects.filter(conversation=conversation).order_by("position")
    assert [link.message.text for link in held][1:] == ["one", "said here"]


def test_label_attached_since_last_import_is_a_conflict(v1, import_v1, conversation):
    [(agent,)] = v1.execute("SELECT id FROM agents")
    import_v1()
    ours = Agent.objects.get()
    block = create_block(ours.organization, by=actor(), label="notes", value="ours")
    attach_block(ours, block, by=actor())
    v1.block("notes", "theirs", agent=agent)

    with pytest.raises(CommandError, match="conflicts with a row created here"):
        import_v1()

    assert ours.blocks.get(label="notes").value == "ours"


@pytest.fixture
def elsewhere(v1) -> str:
    """Create an agent of another organization."""
    v1.insert("organizations", id=OTHER, name="Elsewhere")
    agent = v1.agent(organization_id=OTHER, name="Foreign")
    v1.block("secret", "not yours", agent=agent, organization_id=OTHER)
    return agent


@pytest.mark.parametrize("name", ["Acme", ORGANIZATION])
def test_organization_option_limits_the_import(v1, import_v1, conversation, elsewhere, name):
    import_v1("--organization", name)

    assert Organization.objects.get().pk == ORGANIZATION
    assert not Block.objects.filter(label="secret").exists()


def test_agent_option_limits_the_import(v1, import_v1, conversation, elsewhere):
    other = v1.agent(name="Not asked for")

    import_v1("--agent", elsewhere)

    assert Agent.objects.get().pk == elsewhere
    assert Organization.objects.get().pk == OTHER
    assert other not in str(stored())
    assert Block.objects.get().label == "secret"


def test_unknown_organization_is_rejected(v1, import_v1, elsewhere):
    with pytest.raises(
        CommandError, match=r"'Nobody' matches 0 organizations; expected one of 'Acme' \(org-0"
    ):
        import_v1("--organization", "Nobody")


def test_dry_run_counts_and_writes_nothing(v1, import_v1, conversation):
    v1.execute("CREATE TABLE prompts (id text PRIMARY KEY, organization_id text)")
    v1.insert("prompts", id="prompt-1", organization_id=ORGANIZATION)
    before = stored()

    output = import_v1("--dry-run")

    assert stored() == before
    for line in (
        "The V1 database is at revision 1c28e167b74f (Letta 0.16.8).",
        "agents: 1 to import",
        "conversations: 2 to import",
        "isolated blocks: 1 to import",
        "prompts: 1 rows not imported",
        "Dry run: nothing was written.",
    ):
        assert line in output


def test_sidecar_has_only_rows_of_the_chosen_organization(
    v1, import_v1, conversation, elsewhere, tmp_path
):
    for table in ("providers", "prompts"):
        v1.execute(
            f"CREATE TABLE {table} (id text PRIMARY KEY, organization_id text, api_key text)"
        )
        v1.insert(table, id="a", organization_id=ORGANIZATION, api_key="ours")
        v1.insert(table, id="b", organization_id=OTHER, api_key="theirs")
    v1.execute("ALTER TABLE prompts DROP COLUMN organization_id")
    sidecar = tmp_path / "rest.jsonl"

    import_v1("--organization", "Acme", "--sidecar", str(sidecar))

    rows = [json.loads(line) for line in sidecar.read_text().splitlines()]
    provider = {"id": "a", "organization_id": ORGANIZATION, "api_key": "ours"}
    assert {"table": "providers", "row": provider} in rows
    # Without an organization_id, prompts can't be attributed.
    assert "theirs" not in sidecar.read_text()
    assert stat.S_IMODE(Path(sidecar).stat().st_mode) == 0o600


def test_later_import_with_deleted_adds_skipped_rows(v1, import_v1):
    agent = v1.agent()
    for label in ("human", "persona", "notes"):
        v1.block(label, f"about {label}", agent=agent)
    conversation = v1.conversation(agent, "one", "two", "three")
    run = v1.run(agent)
    steps = [v1.step(run) for _ in range(3)]
    v1.execute("UPDATE steps SET is_deleted = true WHERE id = %s", steps[1])
    v1.execute("UPDATE block SET is_deleted = true WHERE label = 'persona'")
    v1.execute(
        "UPDATE conversation_messages SET is_deleted = true WHERE conversation_id = %s "
        "AND position = 2",
        conversation,
    )
    import_v1()
    assert Step.objects.count() == 2

    import_v1("--deleted")

    assert list(Step.objects.order_by("created_at", "pk").values_list("pk", flat=True)) == steps
    assert list(find_breaches()) == []


def test_lost_v1_connection_leaves_complete_agents(v1, import_v1):
    for number in range(45):  # Three batches.
        v1.conversation(v1.agent(), f"message {number}")
    advanced = []

    def advance(rows: int) -> None:
        advanced.append(rows)
        if sum(advanced) > 50:
            v1.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    with (
        pytest.raises(V1DatabaseError, match="The V1 database failed"),
        open_v1_database(v1.url, Scope(None, None, False)) as database,
    ):
        insert(database, findings=Findings(print), advance=advance)

    assert 0 < Agent.objects.count() < 45
    assert list(find_breaches()) == []
    import_v1()
    assert Agent.objects.count() == 45
