"""The API inside another project: its settings of REST framework, and another prefix."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CONTRARY = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.StaticHTMLRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FormParser"],
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"anon": "1/day"},
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "rest_framework.exceptions.server_error",
    "UNAUTHENTICATED_USER": None,
    "NON_FIELD_ERRORS_KEY": "errors",
    "FORMAT_SUFFIX_KWARG": "agent_id",
    "DATETIME_FORMAT": "%Y",
    "DATETIME_INPUT_FORMATS": ["%Y"],
}
SETTINGS = "from project.settings import *; ROOT_URLCONF = 'host_urls'; REST_FRAMEWORK = {!r}"
URLS = """
from django.urls import include, path
urlpatterns = [path("memory/v1/", include("conversations.api.urls"))]
"""
REQUESTS = [
    ("get", "health/", None),
    ("get", "agents/", None),
    ("get", "agents/{agent}", None),
    ("get", "conversations/?agent_id={agent}", None),
    ("get", "messages/?limit=2", None),
    ("get", "steps/?start_date=2026-01-01T00:00:00Z", None),
    ("get", "steps/?start_date=2026", None),
    ("post", "messages/search", {"query": "helpful"}),
    ("post", "messages/search", [1]),
    ("patch", "agents/{agent}", {"name": 1, "tags": [2]}),
    ("put", "agents/{agent}", {}),
    ("options", "agents/", None),
    ("get", "agents/agent-1", None),
    ("get", "nowhere", None),
    ("get", "agents?limit=3", None),
]
# Argument 1 holds requests as JSON; prints each response as JSON.
SEND = """
import json, sys, django
django.setup()
from django.core.management import call_command
from django.test import Client
from conversations.models import Agent
call_command("migrate", verbosity=0)
from tests.factories import make_agent, make_conversation, make_member, make_organization
from conversations.domain.conversations.accounts import issue_key
if not Agent.objects.exists():
    make_conversation(make_agent(make_member(make_organization("Acme"), "alice"), labels=["human"]))
agent = Agent.objects.get()
key = issue_key(agent.created_by)[1]
for headers in ({"Authorization": f"Bearer {key}"}, {}):
    client = Client(headers={"X-Request-ID": "same", **headers}, SERVER_NAME="localhost")
    for method, path, body in json.loads(sys.argv[1]):
        response = getattr(client, method)(
            "/" + path.format(agent=agent.pk), body, content_type="application/json"
        ) if method != "get" else client.get("/" + path.format(agent=agent.pk))
        response.headers.pop("RateLimit", None)  # It has the seconds that are left.
        print(json.dumps([response.status_code, dict(response.headers), response.content.decode()]))
"""


def send(folder: Path, settings: str, prefix: str) -> list[list[object]]:
    """Send the requests from a fresh process with these settings; return what it received."""
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": settings,
        "PYTHONPATH": f"{folder}:{ROOT}",
    }
    requests = json.dumps([(method, prefix + path, body) for method, path, body in REQUESTS])
    done = subprocess.run(
        [sys.executable, "-c", SEND, requests],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line.replace(f"/{prefix}", "/PREFIX/")) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("rest_framework", [{}, CONTRARY], ids=["default", "contrary"])
def test_responses_do_not_depend_on_project_settings(tmp_path, rest_framework):
    (tmp_path / "host.py").write_text(SETTINGS.format(rest_framework))
    (tmp_path / "host_urls.py").write_text(URLS)

    ours = send(tmp_path, "project.settings", "v1/")
    theirs = send(tmp_path, "host", "memory/v1/")

    assert len(ours) == 2 * len(REQUESTS)
    assert theirs == ours
