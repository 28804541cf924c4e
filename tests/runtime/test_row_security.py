"""A web process, a worker and commands that connect as the role of row-level security."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from django.core.management import call_command
from django.db import connection

from conversations.domain import row_security
from conversations.domain.conversations.accounts import issue_key
from conversations.domain.tools.definitions import BASE_TOOLS
from conversations.models import Run

from ..factories import make_agent, make_conversation
from ..sdk.server import ROOT
from .processes import environment, post, until, web_server, worker

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgres_only,
    pytest.mark.slow,
]

ROLE = "app_of_test"


@pytest.fixture
def role_url(model) -> Iterator[str]:
    """Enable row-level security; return the URL of the database for the server's role."""
    if row_security.status().is_enforced:
        pytest.skip("needs the owner of the tables")
    role = f"{ROLE}_{os.getpid()}"
    call_command("row_security", "enable", "--role", role)
    scheme, _, rest = environment(model)["DATABASE_URL"].partition("://")
    yield f"{scheme}://{role}@{rest.rpartition('@')[2]}"
    call_command("row_security", "disable")
    with connection.cursor() as cursor:
        cursor.execute(f'DROP OWNED BY "{role}"; DROP ROLE "{role}"')


def manage(url: str, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "manage.py", *arguments]
    variables = os.environ | {"DATABASE_URL": url}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)


def get(url: str, secret: str, path: str):
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.get(f"{url}/v1/{path}", headers=headers, timeout=60)


def test_turns_and_streams_work_for_the_servers_role(role_url, model, alice, mallory):
    secret, foreign_secret = issue_key(alice)[1], issue_key(mallory)[1]
    conversation = make_conversation(
        make_agent(alice, labels=["human"], tools=BASE_TOOLS), isolated=["human"]
    )
    send = f"conversations/{conversation.pk}/messages"
    script = 'CALL memory_insert {"label": "human", "new_string": "more"}\nSAY hello there'
    variables = {"DATABASE_URL": role_url, "RUN_TURNS_IN_WEB": "false"}

    with web_server(model, **variables) as (_, url), worker(model, **variables):
        streamed = post(url, secret, send, {"input": script, "stream_tokens": True})
        run = Run.objects.get()
        again = post(url, secret, f"runs/{run.pk}/stream", {"starting_after": 0})
        whole = post(url, secret, send, {"input": "SAY twice", "streaming": False})
        agent = conversation.agent_id
        begun = post(url, secret, f"agents/{agent}/messages/async", {"input": "PAUSE 30\nSAY x"})
        until(
            lambda: Run.objects.filter(pk=begun.json()["id"], status="running").exists(),
            seconds=30,
            what="a worker claims the run",
        )
        stopped = post(url, secret, f"agents/{agent}/messages/cancel")
        edited = get(url, secret, f"conversations/{conversation.pk}/blocks")
        foreign = post(url, foreign_secret, send, {"input": "SAY no"})
        listed = get(url, foreign_secret, "conversations/")
        unknown = get(url, "ic-000000000000-" + "x" * 43, "agents/")

    assert "hello" in streamed.text
    assert streamed.text.endswith("data: [DONE]\n\n")
    assert again.text.count("seq_id") == streamed.text.count("seq_id")
    assert whole.json()["messages"][-1]["content"] == "twice"
    assert list(stopped.json().values()) == ["cancelled"]
    assert "more" in edited.text
    assert (foreign.status_code, listed.json(), unknown.status_code) == (404, [], 401)


def test_commands_work_for_the_servers_role(role_url, model, alice):
    agent = make_agent(alice, labels=["human"])

    checked = manage(role_url, "check_memory")
    exported = manage(role_url, "export_agent", agent.pk)
    purged = manage(role_url, "purge", "--dry-run")
    status = manage(role_url, "row_security", "status")
    key = manage(role_url, "create_api_key", "--organization", "Acme", "--member", "alice")
    enabled = manage(role_url, "row_security", "enable")

    assert (checked.returncode, checked.stdout) == (0, ""), checked.stderr
    assert [exported.returncode, purged.returncode] == [0, 0]
    assert agent.name in exported.stdout
    assert status.returncode == 0, status.stderr
    assert re.fullmatch(r"(current +conversations_\w+\n)+", status.stdout)
    assert "is subject to the policies" in status.stderr
    assert "ic-" in key.stdout
    assert enabled.returncode == 1
    assert "Traceback" not in enabled.stderr


def test_code_that_acts_for_nobody_finds_nothing(role_url, model, alice):
    make_agent(alice)
    script = "from conversations.models import Agent; print(Agent.objects.count())"

    found = manage(role_url, "shell", "--no-imports", "-c", script)

    assert found.stdout == "0\n", found.stderr
