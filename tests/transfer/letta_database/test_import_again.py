"""Bringing a V1 database a second time, a part of it, and only to look."""

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
from conversations.transfer.letta_database.migration import write
from conversations.transfer.letta_database.source import Scope, SourceError, open_source

from ...api.stored_rows import stored
from ...factories import actor, make_messages
from .v1 import ORGANIZATION, V1

pytestmark = pytest.mark.django_db
OTHER = "org-11111111-0000-4000-8000-000000000001"


@pytest.fixture
def bring(v1: V1, capsys):
    def run(*arguments: str) -> str:
        call_command("import_letta", "--from", v1.url, *arguments)
        assert list(find_breaches()) == []
        output = capsys.readouterr()
        return output.out + output.err

    return run


@pytest.fixture
def thread(v1) -> str:
    """A conversation of an agent that has one block, isolated there."""
    agent = v1.agent()
    v1.block("human", "Nobody", agent=agent, created_at="2026-01-01", updated_at="2026-01-01")
    conversation = v1.thread(agent, "one", created_at="2026-02-01")
    v1.isolate(conversation, "human", "Ada", created_at="2026-02-01")
    v1.step(v1.turn(agent, conversation_id=conversation))
    return conversation


def test_again_changes_nothing(v1, bring, thread):
    bring()
    before = stored()

    told = bring()

    assert stored() == before
    assert "messages: 0 are new" in told
    assert "Both sides say the same." in told


def test_later_rows_follow(v1, bring, thread):
    [(agent,)] = v1.run("SELECT id FROM agents")
    bring()
    v1.message(agent, "two", conversation=thread, position=2)
    v1.run("UPDATE conversation_messages SET in_context = false WHERE position = 1")
    v1.run("UPDATE conversations SET last_message_at = '2026-05-05', summary = 'Named since'")
    v1.run("UPDATE runs SET status = 'failed', stop_reason = 'error'")
    later = v1.thread(agent, "later")
    another = v1.agent(name="Another")

    bring()

    links = Conversation.objects.get(pk=thread).message_links.order_by("position")
    assert [(link.message.text, link.in_context) for link in links[1:]] == [
        ("one", False),
        ("two", True),
    ]
    followed = Conversation.objects.get(pk=thread)
    assert followed.last_message_at == datetime(2026, 5, 5, tzinfo=UTC)
    assert followed.summary == "Named since"
    assert Run.objects.get().status == "failed"
    assert Conversation.objects.filter(pk=later).exists()
    assert Agent.objects.filter(pk=another).exists()


def test_a_text_that_v1_changed_since_follows_as_a_revision(v1, bring, thread):
    bring()
    v1.run("UPDATE block SET value = 'Ada L.' WHERE value = 'Ada'")
    v1.run("UPDATE block SET value = 'Someone' WHERE value = 'Nobody'")

    bring()

    own = Conversation.objects.get(pk=thread).isolated_blocks.get()
    assert (own.value, own.version) == ("Ada L.", 2)
    assert own.revisions.get(number=2).source == "import"
    assert Block.objects.get(conversation=None).value == "Someone"


def test_what_was_edited_here_stays_and_the_difference_is_named(v1, bring, thread, capsys):
    bring()
    own = Conversation.objects.get(pk=thread).isolated_blocks.get()
    write_block(own, by=actor(), value="Ada of ours")
    v1.run("UPDATE block SET value = 'Ada of theirs' WHERE value = 'Ada'")

    with pytest.raises(CommandError, match="1 rows differ from V1's"):
        bring()

    assert f"blocks {own.pk}: value differ from V1" in capsys.readouterr().out
    own.refresh_from_db()
    assert own.value == "Ada of ours"


def test_a_conversation_that_went_on_here_stays(v1, bring, thread, capsys):
    [(agent,)] = v1.run("SELECT id FROM agents")
    bring()
    make_messages(Conversation.objects.get(pk=thread), "said here")
    v1.message(agent, "said there", conversation=thread, position=2)

    with pytest.raises(CommandError, match="differ from V1's"):
        bring()

    assert f"conversation messages {thread}: order differ from V1" in capsys.readouterr().out
    held = ConversationMessage.objects.filter(conversation=thread).order_by("position")
    assert [link.message.text for link in held][1:] == ["one", "said here"]


def test_a_label_that_was_taken_here_meanwhile_is_told(v1, bring, thread):
    [(agent,)] = v1.run("SELECT id FROM agents")
    bring()
    ours = Agent.objects.get()
    block = create_block(ours.organization, by=actor(), label="notes", value="ours")
    attach_block(ours, block, by=actor())
    v1.block("notes", "theirs", agent=agent)

    with pytest.raises(CommandError, match="conflicts with one that was made here since"):
        bring()

    assert ours.blocks.get(label="notes").value == "ours"


@pytest.fixture
def elsewhere(v1) -> str:
    """An agent of another organization."""
    v1.insert("organizations", id=OTHER, name="Elsewhere")
    agent = v1.agent(organization_id=OTHER, name="Foreign")
    v1.block("secret", "not yours", agent=agent, organization_id=OTHER)
    return agent


@pytest.mark.parametrize("name", ["Acme", ORGANIZATION])
def test_one_organization(v1, bring, thread, elsewhere, name):
    bring("--organization", name)

    assert Organization.objects.get().pk == ORGANIZATION
    assert not Block.objects.filter(label="secret").exists()


def test_one_agent(v1, bring, thread, elsewhere):
    other = v1.agent(name="Not asked for")

    bring("--agent", elsewhere)

    assert Agent.objects.get().pk == elsewhere
    assert Organization.objects.get().pk == OTHER
    assert other not in str(stored())
    assert Block.objects.get().label == "secret"


def test_an_organization_that_is_not_there(v1, bring, elsewhere):
    with pytest.raises(CommandError, match=r"'Nobody' names 0 organizations of 'Acme' \(org-0"):
        bring("--organization", "Nobody")


def test_a_dry_run_counts_and_writes_nothing(v1, bring, thread):
    v1.run("CREATE TABLE files (id text PRIMARY KEY, organization_id text)")
    v1.insert("files", id="file-1", organization_id=ORGANIZATION)
    before = stored()

    told = bring("--dry-run")

    assert stored() == before
    for line in (
        "V1 is at revision 1c28e167b74f, known from Letta 0.16.8.",
        "agents: 1 would come",
        "conversations: 2 would come",
        "isolated blocks: 1 would come",
        "files: 1 rows, no place here",
        "A dry run, nothing was written.",
    ):
        assert line in told


def test_what_has_no_place_is_kept_for_its_owner_alone(v1, bring, thread, elsewhere, tmp_path):
    for table in ("providers", "file_contents"):
        v1.run(f"CREATE TABLE {table} (id text PRIMARY KEY, organization_id text, api_key text)")
        v1.insert(table, id="a", organization_id=ORGANIZATION, api_key="ours")
        v1.insert(table, id="b", organization_id=OTHER, api_key="theirs")
    v1.run("ALTER TABLE file_contents DROP COLUMN organization_id")
    sidecar = tmp_path / "rest.jsonl"

    bring("--organization", "Acme", "--sidecar", str(sidecar))

    rows = [json.loads(line) for line in sidecar.read_text().splitlines()]
    provider = {"id": "a", "organization_id": ORGANIZATION, "api_key": "ours"}
    assert {"table": "providers", "row": provider} in rows
    # Whose the contents of files are is not said there, so they might be anybody's.
    assert "theirs" not in sidecar.read_text()
    assert stat.S_IMODE(Path(sidecar).stat().st_mode) == 0o600


def test_what_was_left_out_as_deleted_follows_when_it_is_wanted(v1, bring):
    agent = v1.agent()
    for label in ("human", "persona", "notes"):
        v1.block(label, f"about {label}", agent=agent)
    thread = v1.thread(agent, "one", "two", "three")
    run = v1.turn(agent)
    steps = [v1.step(run) for _ in range(3)]
    v1.run("UPDATE steps SET is_deleted = true WHERE id = %s", steps[1])
    v1.run("UPDATE block SET is_deleted = true WHERE label = 'persona'")
    v1.run(
        "UPDATE conversation_messages SET is_deleted = true WHERE conversation_id = %s "
        "AND position = 2",
        thread,
    )
    bring()
    assert Step.objects.count() == 2

    bring("--deleted")

    assert list(Step.objects.order_by("created_at", "pk").values_list("pk", flat=True)) == steps
    assert list(find_breaches()) == []


def test_a_connection_that_v1_closes_leaves_whole_agents_and_the_next_import_the_rest(v1, bring):
    for number in range(45):  # Three batches.
        v1.thread(v1.agent(), f"message {number}")
    brought = []

    def advance(rows: int) -> None:
        brought.append(rows)
        if sum(brought) > 50:
            v1.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    with (
        pytest.raises(SourceError, match="The V1 database failed"),
        open_source(v1.url, Scope(None, None, False)) as source,
    ):
        write(source, advance=advance)

    assert 0 < Agent.objects.count() < 45
    assert list(find_breaches()) == []
    bring()
    assert Agent.objects.count() == 45
