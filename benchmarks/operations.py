"""The operations that `make bench` times, and their data."""

import json
from itertools import count
from pathlib import Path

import psycopg
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from conversations.domain.actor import Actor, Source
from conversations.domain.conversations.accounts import (
    create_member,
    create_organization,
    issue_key,
)
from conversations.domain.conversations.agents import create_agent
from conversations.domain.conversations.conversations import create_conversation
from conversations.domain.conversations.messages import append_messages, text_message
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.bulk import rebase_all
from conversations.models import Conversation, IsolatedBlock

SEED = (Path(__file__).parent / "seed.sql").read_text()
TEXT = "The customer prefers short answers, in Portuguese, and dislikes being called. " * 8


class World:
    """One organization with one agent of three blocks."""

    def __init__(self):
        organization = create_organization("Bench")
        member = create_member(organization, "bench")
        _, self.secret = issue_key(member)
        self.by = Actor(member, Source.COMMAND)
        self.agent = create_agent(
            organization,
            by=self.by,
            name="Bench",
            model="scripted/demo",
            memory_blocks=[
                {"label": label, "value": f"{label}: {TEXT}"}
                for label in ("persona", "human", "policy")
            ],
        )
        self.shared = self.agent.block_links.get(label="policy").block
        self.conversation = create_conversation(
            self.agent, by=self.by, isolated_labels=["human", "persona"]
        )
        self.isolated = self.conversation.isolations.get(label="human").block
        append_messages(
            self.conversation,
            [
                text_message(["user", "assistant"][n % 2], f"Message {n}. {TEXT}")
                for n in range(200)
            ],
            by=self.by,
        )
        self.client = APIClient(SERVER_NAME="localhost")
        self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {self.secret}")
        self.numbers = count()

    def grow_to(self, size: int, direct) -> None:
        missing = size - Conversation.objects.count()
        agent = self.agent.pk.removeprefix("agent-")
        with direct.transaction():
            for statement in SEED.split(";\n"):
                if statement.strip():
                    values = {"count": missing, "agent": agent}
                    cursor = psycopg.ClientCursor(direct)
                    cursor.execute(statement, values)
        direct.execute("VACUUM ANALYZE")

    def operations(self):
        """Return names and functions; a function returns method, path and body of a request."""
        agent, conversation = self.agent.pk, self.conversation.pk
        create = f"/v1/conversations/?agent_id={agent}"
        context = f"/v1/agents/{agent}/context?conversation_id={conversation}"
        two = {"isolated_block_labels": ["human", "persona"]}

        def patch(block):
            path = f"/v1/blocks/{block.pk}"
            return lambda: ("PATCH", path, {"value": f"Edit {next(self.numbers)}. {TEXT}"})

        def get(path):
            return lambda: ("GET", path, None)

        return [
            ("create, no isolated label", lambda: ("POST", create, None)),
            ("create, two isolated labels", lambda: ("POST", create, two)),
            ("retrieve", get(f"/v1/conversations/{self.conversation_of_two()}")),
            ("list 50", get(f"/v1/conversations/?agent_id={agent}&limit=50")),
            (
                "context of a conversation",
                get(context),
            ),
            ("list 50 by drift", get(f"/v1/conversations/?agent_id={agent}&drift=in_sync")),
            ("list by drift, no match", get(f"/v1/conversations/?agent_id={agent}&drift=diverged")),
            ("list 100 messages", get(f"/v1/conversations/{conversation}/messages?limit=100")),
            ("patch an isolated block", patch(self.isolated)),
            ("patch a shared block", patch(self.shared)),
        ]

    def rebase_in_bulk(self) -> int:
        """Rebase up to 10,000 conversations that isolated `persona`; return how many."""
        shared = self.agent.block_links.get(label="persona").block
        write_block(shared, by=self.by, value=f"{shared.value}\nLine {next(self.numbers)}.")
        isolations = IsolatedBlock.objects.filter(conversation__agent=self.agent, label="persona")
        ids = list(isolations.values_list("conversation", flat=True)[:10_000])
        outcomes = rebase_all(self.agent, "persona", by=self.by, conversation_ids=ids)
        return sum(outcome.outcome == "applied" for outcome in outcomes)

    def conversation_of_two(self) -> str:
        """Create a conversation with two isolated blocks and only its system message."""
        labels = ["human", "persona"]
        return create_conversation(self.agent, by=self.by, isolated_labels=labels).pk

    def captured(self, prepare) -> list[str]:
        """Return the SQL statements of one request, without those that control transactions.

        The request is rolled back, so that the statements can run again.
        """
        method, path, body = prepare()
        with transaction.atomic(), CaptureQueriesContext(connection) as queries:
            response = self.client.generic(
                method, path, json.dumps(body) if body else "", content_type="application/json"
            )
            transaction.set_rollback(True)
        if response.status_code != 200:
            raise SystemExit(f"{method} {path}: {response.content!r}")
        own = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
        return [query["sql"] for query in queries if not query["sql"].startswith(own)]
