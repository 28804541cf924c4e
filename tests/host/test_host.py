"""The wheel in another project with its own user model, settings and pages."""

import json
import re
from html import unescape

import pytest

from ..script import call, hold, say, script
from .conftest import SERVERS

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"
UNKNOWN_AGENT = "agent-00000000-0000-4000-8000-000000000000"


def test_project_passes_its_checks(host):
    host.run("manage.py", "check", "--fail-level", "WARNING")
    host.run("manage.py", "makemigrations", "--check", "--dry-run")


def test_import_needs_no_optional_package(host):
    host.run("-c", "import django; django.setup(); import conversations.api.urls")


def test_api_ignores_rest_framework_settings(host):
    with host.serve("uvicorn") as client:
        _, conversation = make_conversation(client)
        effective = client.api("GET", f"conversations/{conversation['id']}/blocks")
        missing = client.request("GET", f"/deep/inside/v1/agents/{UNKNOWN_AGENT}")

        assert [(block["label"], block["origin"]) for block in effective] == [("human", "isolated")]
        assert len(client.api("GET", "agents/")) >= 1
        assert (missing[0], json.loads(missing[1]).keys()) == (404, {"detail"})


def test_host_keeps_its_own_api_and_error_pages(host):
    with host.serve("uvicorn") as client:
        assert client.request("GET", "/own/")[0] == 418
        assert client.request("GET", "/nowhere/") == (404, "Nothing here, says the host.\n")


@pytest.mark.parametrize("server", SERVERS)
def test_stream_arrives_while_model_replies(host, server, running_model_server):
    running_model_server.start_over()
    with host.serve(server) as client:
        _, conversation = make_conversation(client)
        text = script(call("memory_insert", label="human", new_string="tea"), hold(), say("done"))
        path = f"/deep/inside/v1/conversations/{conversation['id']}/messages"
        response = client.open("POST", path, {"input": text, "stream_tokens": True})
        # The second step waits for `go_on`, so these events were not buffered until the end.
        while "tool_return_message" not in (line := response.readline().decode()):
            assert line, "the stream ended"
        running_model_server.go_on()
        rest = response.read().decode()

        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert "done" in rest
        assert rest.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_turn_without_streaming_returns_messages(host, server):
    with host.serve(server) as client:
        _, conversation = make_conversation(client)
        answer = client.api(
            "POST",
            f"conversations/{conversation['id']}/messages",
            {"input": "SAY hello", "streaming": False},
        )

        assert [message["content"] for message in answer["messages"]] == ["hello"]


def test_edit_in_host_admin_writes_revision(host):
    host.run(
        "manage.py",
        "shell",
        "-c",
        "from people.models import Person;"
        "Person.objects.filter(email='root@example.org').exists() or "
        f"Person.objects.create_superuser('root@example.org', '{PASSWORD}')",
    )
    with host.serve("uvicorn") as client:
        _, conversation = make_conversation(client)
        [block_id] = conversation["isolated_block_ids"]
        log_in(client)
        page = f"/backstage/conversations/block/{block_id}/change/"
        status, html = client.request("GET", page)
        assert status == 200
        fields = fields_of(html) | {"value": "Written in the admin"}
        status, _ = client.request("POST", page, form=fields)
        revisions = client.api("GET", f"blocks/{block_id}/revisions")

        assert status == 302
        assert [row["value"] for row in revisions][:1] == ["Written in the admin"]


def make_conversation(client) -> tuple[dict, dict]:
    human = {"label": "human", "value": "Nobody is known yet."}
    agent = client.api(
        "POST",
        "agents/",
        {"name": "Concierge", "model": "openai/gpt-4o-mini", "memory_blocks": [human]},
    )
    conversation = client.api(
        "POST", f"conversations/?agent_id={agent['id']}", {"isolated_block_labels": ["human"]}
    )
    return agent, conversation


def log_in(client) -> None:
    _, html = client.request("GET", "/backstage/login/")
    form = fields_of(html) | {"username": "root@example.org", "password": PASSWORD}
    assert client.request("POST", "/backstage/login/", form=form)[0] == 302


def fields_of(html: str) -> dict[str, str]:
    """Return the values of a page's form fields that a browser would submit."""
    fields = {}
    for tag in re.findall(r"<input [^>]*>", html):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        kind = attributes.get("type")
        if "name" not in attributes or kind in ("submit", "button", "file"):
            continue
        if kind == "checkbox" and "checked" not in tag:
            continue
        fields[attributes["name"]] = unescape(attributes.get("value", ""))
    for name, text in re.findall(r'<textarea name="([^"]+)"[^>]*>\n?(.*?)</textarea>', html, re.S):
        fields[name] = unescape(text)
    return fields
