"""Import the database of a real V1 server: completely, and readable by the V1 client."""

import json
import os
import subprocess
import sys

import psycopg
import pytest
from django.core.management import call_command
from psycopg.rows import dict_row

from conversations.domain.integrity.check import find_breaches
from conversations.domain.memory.effective import effective_blocks
from conversations.models import (
    Agent,
    Block,
    Conversation,
    ConversationMessage,
    Message,
    Run,
)

from ...sdk.install import VERSIONS, client_folder
from ...sdk.server import ROOT, live_server, run

USER = "user-00000000-0000-4000-8000-000000000000"


@pytest.fixture
def v1(recorded):
    """Return a function that queries V1 independently of the import."""
    with psycopg.connect(recorded, row_factory=dict_row) as connection:
        connection.execute("SET search_path = public")
        yield lambda statement: connection.execute(statement.encode()).fetchall()


@pytest.mark.django_db
@pytest.mark.parametrize("deleted", [False, True])
def test_recorded_database_is_imported_completely(recorded, v1, deleted):
    call_command("import_letta", "--from", recorded, *(["--deleted"] if deleted else []))

    assert list(find_breaches()) == []
    [counts] = v1(
        "SELECT (SELECT count(*) FROM agents) AS agents, (SELECT count(*) FROM block) AS blocks, "
        f"(SELECT count(*) FROM conversations WHERE {deleted} OR NOT is_deleted) AS conversations, "
        "(SELECT count(*) FROM blocks_conversations) AS isolated"
    )
    assert Agent.objects.count() == counts["agents"]
    assert Block.objects.count() == counts["blocks"]
    assert Conversation.objects.filter(is_default=False).count() == counts["conversations"]
    assert Block.objects.exclude(conversation=None).count() == counts["isolated"]
    ids = {row["id"] for row in v1(f"SELECT id FROM messages WHERE {deleted} OR NOT is_deleted")}
    assert ids <= set(Message.objects.values_list("pk", flat=True))
    assert not Run.objects.active().exists()


@pytest.mark.django_db
def test_recorded_conversations_read_their_blocks(recorded, v1):
    call_command("import_letta", "--from", recorded)

    for row in v1("SELECT id, agent_id FROM conversations WHERE NOT is_deleted"):
        expected = {
            block["label"]: block["value"]
            for query in (
                f"SELECT label, value FROM block JOIN blocks_agents ON block_id = id "
                f"WHERE agent_id = '{row['agent_id']}'",
                f"SELECT label, value FROM block JOIN blocks_conversations ON block_id = id "
                f"WHERE conversation_id = '{row['id']}'",
            )
            for block in v1(query)
        }
        conversation = Conversation.objects.get(pk=row["id"])
        assert {read.label: read.block.value for read in effective_blocks(conversation)} == expected


@pytest.mark.django_db
def test_recorded_contexts_keep_their_messages_and_order(recorded, v1):
    call_command("import_letta", "--from", recorded)

    contexts = {}
    for row in v1(
        "SELECT cm.conversation_id, array_agg(m.id ORDER BY cm.position, m.sequence_id) AS ids "
        "FROM conversation_messages cm JOIN messages m ON m.id = cm.message_id "
        "WHERE cm.in_context AND NOT cm.is_deleted GROUP BY cm.conversation_id"
    ):
        contexts[row["conversation_id"]] = row["ids"]
    for row in v1("SELECT id, message_ids FROM agents"):
        own = Conversation.objects.get(agent=row["id"], is_default=True)
        contexts[own.pk] = row["message_ids"]
    assert len(contexts) > 40
    for conversation, ids in contexts.items():
        links = ConversationMessage.objects.filter(conversation=conversation).in_context()
        assert [link.message_id for link in links] == ids


@pytest.fixture(scope="module")
def imported_server(recorded):
    with live_server() as server:
        run("manage.py", "import_letta", "--from", recorded, environment=server.environment)
        run("manage.py", "check_memory", environment=server.environment)
        yield server


@pytest.mark.parametrize("version", VERSIONS)
def test_client_reads_the_recorded_database(imported_server, recorded, version):
    key = run(
        "manage.py", "create_api_key", "--organization", "default_org", "--member",
        "default_user", "--scope", "write", environment=imported_server.environment,
    ).strip()  # fmt: skip
    with psycopg.connect(recorded, row_factory=dict_row) as connection:
        connection.execute("SET search_path = public")
        world = {
            "key": key,
            "agents": connection.execute(
                "SELECT a.id, a.name, array_agg(x.block_id) AS blocks FROM agents a "
                "JOIN blocks_agents x ON x.agent_id = a.id "
                "WHERE a.organization_id = 'org-00000000-0000-4000-8000-000000000000' "
                "GROUP BY a.id ORDER BY a.created_at"
            ).fetchall(),
            "isolated": connection.execute(
                "SELECT c.id, c.agent_id, b.id AS block, b.label, b.value FROM conversations c "
                "JOIN blocks_conversations x ON x.conversation_id = c.id "
                "JOIN block b ON b.id = x.block_id WHERE NOT c.is_deleted "
                "AND c.organization_id = 'org-00000000-0000-4000-8000-000000000000'"
            ).fetchall(),
            "texts": connection.execute(
                "SELECT m.id, m.content->0->>'text' AS text, cm.conversation_id FROM messages m "
                "JOIN conversation_messages cm ON cm.message_id = m.id WHERE m.role = 'user' "
                "AND NOT cm.is_deleted "
                "AND m.organization_id = 'org-00000000-0000-4000-8000-000000000000'"
            ).fetchall(),
        }
    environment = {
        **os.environ,
        "PYTHONPATH": str(client_folder(version)),
        "CLIENT_VERSION": version,
        "BASE_URL": imported_server.url,
        "WORLD": json.dumps(world),
    }

    done = subprocess.run(
        [sys.executable, "tests/transfer/letta_database/journey.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "passed"
    assert world["isolated"]
    assert world["texts"]
