"""V1 databases for tests: a small one to fill, and the dump of a real one."""

import gzip
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from conversations.ids import new_id

HERE = Path(__file__).parent
SCHEMA = HERE / "v1_schema.sql"
DUMP = HERE.parents[3] / "shared" / "letta" / "letta_v1_0.16.8.sql.gz"
REVISION = "1c28e167b74f"
ORGANIZATION = "org-00000000-0000-4000-8000-000000000000"
USER = "user-00000000-0000-4000-8000-000000000000"


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """Create a database, yield its URL, and drop it."""
    name = f"v1_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


def load_dump(url: str, *, lines: int | None = None) -> None:
    """Load the dump, or its first lines, as psql would."""
    with (
        gzip.open(DUMP, "rt", encoding="utf-8") as dump,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        source = (line for number, line in enumerate(dump) if lines is None or number < lines)
        pending = ""
        for line in source:
            if line.startswith("\\"):  # A psql command.
                continue
            pending += line
            if line.startswith("COPY ") and line.endswith("FROM stdin;\n"):
                statement, _, copy = pending.rpartition("COPY ")
                connection.execute(statement.encode())
                with connection.cursor().copy(f"COPY {copy}".encode()) as data:
                    for row in source:
                        if row == "\\.\n":
                            break
                        data.write(row)
                pending = ""
        connection.execute(pending.rpartition(";")[0].encode() or b"SELECT")


class V1:
    """A small V1 database. Methods insert rows and return the id."""

    def __init__(self, url: str):
        self.url = url
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute(SCHEMA.read_bytes())
        self.insert("alembic_version", version_num=REVISION)
        self.insert("organizations", id=ORGANIZATION, name="Acme", created_at="2026-01-01")
        self.insert("users", id=USER, name="alice", organization_id=ORGANIZATION)

    def insert(self, table: str, **values: Any) -> str:
        ready = [
            json.dumps(v) if isinstance(v, dict | list) and name != "embedding" else v
            for name, v in values.items()
        ]
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join([sql.Placeholder()] * len(values)),
        )
        self.connection.execute(statement, ready)
        return str(values.get("id"))

    def execute(self, statement: str, *values: Any) -> list[tuple]:
        cursor = self.connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def agent(self, **values: Any) -> str:
        defaults = {
            "id": new_id("agent"),
            "organization_id": ORGANIZATION,
            "name": "Concierge",
            "system": "You answer.",
            "agent_type": "letta_v1_agent",
            "llm_config": {"handle": "nowhere/model", "context_window": 9000, "temperature": 0.5},
            "message_ids": [],
            "tool_rules": [],
            "_created_by_id": USER,
        }
        return self.insert("agents", **defaults | values)

    def block(self, label: str, value: str, *, agent: str | None = None, **values: Any) -> str:
        defaults = {"id": new_id("block"), "organization_id": ORGANIZATION}
        block = self.insert("block", label=label, value=value, **defaults | values)
        if agent:
            self.insert("blocks_agents", agent_id=agent, block_id=block, block_label=label)
        return block

    def archive(self, *, agent: str | None = None, **values: Any) -> str:
        defaults = {
            "id": new_id("archive"),
            "organization_id": ORGANIZATION,
            "name": "Library",
            "embedding_config": {"handle": "openai/embedding", "embedding_dim": 3},
        }
        archive = self.insert("archives", **defaults | values)
        if agent:
            self.insert("archives_agents", agent_id=agent, archive_id=archive, is_owner=True)
        return archive

    def passage(self, archive: str, text: str, **values: Any) -> str:
        defaults = {"id": new_id("passage"), "organization_id": ORGANIZATION, "tags": []}
        return self.insert("archival_passages", archive_id=archive, text=text, **defaults | values)

    def folder(self, *, agent: str | None = None, **values: Any) -> str:
        defaults = {
            "id": new_id("source"),
            "organization_id": ORGANIZATION,
            "name": "papers",
            "embedding_config": {"handle": "openai/embedding", "embedding_dim": 3},
        }
        folder = self.insert("sources", **defaults | values)
        if agent:
            self.insert("sources_agents", agent_id=agent, source_id=folder)
        return folder

    def file(self, folder: str, name: str, text: str | None = None, **values: Any) -> str:
        """Insert a file; with text, it has one chunk with a vector."""
        defaults = {
            "id": new_id("file"),
            "organization_id": ORGANIZATION,
            "file_name": name,
            "processing_status": "completed",
        }
        file = self.insert("files", source_id=folder, **defaults | values)
        if text is not None:
            self.insert("file_contents", id=new_id("file_content"), file_id=file, text=text)
            self.insert(
                "source_passages",
                id=new_id("passage"),
                organization_id=ORGANIZATION,
                source_id=folder,
                file_id=file,
                text=text,
                embedding=[0.1, 0.2, 0.3, 0.0],
            )
        return file

    def open_file(self, agent: str, folder: str, file: str, **values: Any) -> str:
        defaults = {
            "id": new_id("file_agent"),
            "organization_id": ORGANIZATION,
            "file_name": file,
            "is_open": True,
        }
        ids = {"agent_id": agent, "source_id": folder, "file_id": file}
        return self.insert("files_agents", **defaults | ids | values)

    def empty_conversation(self, agent: str, **values: Any) -> str:
        defaults = {"id": new_id("conv"), "organization_id": ORGANIZATION}
        return self.insert("conversations", agent_id=agent, **defaults | values)

    def isolate(self, conversation: str, label: str, value: str, **values: Any) -> str:
        block = self.block(label, value, **values)
        self.link_isolated(conversation, block, label)
        return block

    def link_isolated(self, conversation: str, block: str, label: str) -> None:
        self.insert(
            "blocks_conversations",
            conversation_id=conversation,
            block_id=block,
            block_label=label,
        )

    def message(
        self,
        agent: str,
        text: str,
        *,
        conversation: str | None = None,
        position: int | None = None,
        in_context: bool = True,
        **values: Any,
    ) -> str:
        defaults = {
            "id": new_id("message"),
            "organization_id": ORGANIZATION,
            "role": "user",
            "content": [{"type": "text", "text": text}],
            "conversation_id": conversation,
        }
        message = self.insert("messages", agent_id=agent, **defaults | values)
        if conversation and position is not None:
            self.list_message(conversation, message, position, in_context, agent=agent)
        return message

    def list_message(
        self, conversation: str, message: str, position: int, in_context: bool = True, *, agent: str
    ) -> None:
        self.insert(
            "conversation_messages",
            conversation_id=conversation,
            agent_id=agent,
            message_id=message,
            position=position,
            in_context=in_context,
        )

    def conversation(self, agent: str, *texts: str, **values: Any) -> str:
        """Insert a conversation with a system message and user messages."""
        conversation = self.empty_conversation(agent, **values)
        self.message(agent, "Old prompt", conversation=conversation, position=0, role="system")
        for position, text in enumerate(texts, start=1):
            self.message(agent, text, conversation=conversation, position=position)
        return conversation

    def run(self, agent: str, **values: Any) -> str:
        defaults = {"id": new_id("run"), "organization_id": ORGANIZATION, "status": "completed"}
        return self.insert("runs", agent_id=agent, **defaults | values)

    def step(self, run: str, **values: Any) -> str:
        defaults = {"id": new_id("step"), "organization_id": ORGANIZATION, "model_handle": "a/b"}
        return self.insert("steps", run_id=run, **defaults | values)
