from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from conversations import __version__
from conversations.models import Run
from conversations.runtime import readiness

from ..factories import make_agent, make_conversation, make_run


@pytest.mark.parametrize("path", ["health", "health/"])
def test_health_reports_ok(client, path):
    expected = {"version": "0.16.8", "palimpsest_version": __version__, "status": "ok"}
    replies = [client.get(f"/{base}/{path}") for base in ("v1", "latest")]

    assert [reply.json() for reply in replies] == [expected] * 2


@pytest.mark.parametrize("path", ["ready", "ready/"])
def test_ready_reports_each_check(client, db, is_postgres, path):
    reply = client.get(f"/v1/{path}")

    checks = ["database", "migrations", "workers", *([] if is_postgres else ["disk"])]
    assert reply.status_code == 200
    assert reply.json() == {
        "version": "0.16.8",
        "palimpsest_version": __version__,
        "status": "ok",
        "checks": dict.fromkeys(checks, "ok"),
    }


def test_ready_names_the_check_that_fails(client, db):
    MigrationRecorder(connection).record_unapplied("conversations", "0001_initial")

    reply = client.get("/v1/ready/")

    assert (reply.status_code, reply.json()["status"]) == (503, "unavailable")
    assert reply.json()["checks"]["database"] == "ok"
    assert reply.json()["checks"]["migrations"].startswith("1 to apply")


def test_ready_says_that_runs_wait_without_a_worker(client, alice):
    since = timezone.now() - timedelta(minutes=2)
    for _ in range(2):
        conversation = make_conversation(make_agent(alice))
        make_run(conversation, status=Run.Status.CREATED, queued_at=since)

    reply = client.get("/v1/ready/")

    assert reply.status_code == 503
    assert reply.json()["checks"]["workers"] == "2 runs waiting, no worker"


def test_ready_fails_on_a_full_disk(client, db, is_postgres, monkeypatch):
    if is_postgres:
        pytest.skip("PostgreSQL's disk is not ours")
    monkeypatch.setattr(readiness, "MIN_FREE_SPACE", 2**62)

    reply = client.get("/v1/ready/")

    assert reply.status_code == 503
    assert "MiB free" in reply.json()["checks"]["disk"]


def test_models_without_provider(client_for, alice):
    [model] = client_for(alice).get("/v1/models/").json()

    assert model == {
        "handle": "scripted/demo",
        "name": "demo",
        "display_name": "Scripted model (no language model)",
        "provider_name": "scripted",
        "provider_type": "openai",
        "provider_category": "base",
        "model": "demo",
        "model_type": "llm",
        "model_endpoint_type": "openai",
        "context_window": 128_000,
        "max_context_window": 128_000,
    }


@pytest.mark.parametrize(
    ("query", "tags"),
    [
        ("", ["Coffee", "milk", "tea"]),
        ("order=desc", ["tea", "milk", "Coffee"]),
        ("name=E", ["Coffee", "tea"]),
        ("query_text=mil", ["milk"]),
        ("limit=1&after=Coffee", ["milk"]),
        ("limit=1&before=tea", ["milk"]),
    ],
)
def test_tags_of_live_agents(client_for, alice, query, tags):
    make_agent(alice, tags=["tea", "milk"])
    make_agent(alice, tags=["tea", "Coffee"])
    gone = make_agent(alice, tags=["gone"])
    client = client_for(alice)
    client.delete(f"/v1/agents/{gone.pk}")

    assert client.get(f"/v1/tags/?{query}").json() == tags


@pytest.mark.parametrize(
    ("asked", "spelled"),
    [
        ("/v1/agents?limit=3&tags=a%20b", "/v1/agents/?limit=3&tags=a%20b"),
        ("/v1/blocks/count/", "/v1/blocks/count"),
        ("/v1/conversations/a%20b%C3%A9/?x=/", "/v1/conversations/a%20b%C3%A9?x=/"),
        ("/latest/runs", "/latest/runs/"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post", "patch", "delete"])
def test_other_slash_redirects_with_method_and_body(client_for, alice, asked, spelled, method):
    reply = getattr(client_for(alice), method)(asked)

    assert (reply.status_code, reply["Location"]) == (307, f"http://testserver{spelled}")


def test_latest_is_an_alias_of_v1(client_for, alice):
    conversation = make_conversation(make_agent(alice))

    replies = [
        client_for(alice).get(f"/{base}/conversations/{conversation.pk}")
        for base in ("v1", "latest")
    ]

    assert replies[0].json() == replies[1].json()
    assert replies[0].json()["id"] == conversation.pk


def test_models_of_providers(client_for, alice, model):
    handles = [each["handle"] for each in client_for(alice).get("/v1/models/").json()]

    assert handles == ["scripted/demo", "openai/gpt-4o-mini"]


def test_unreachable_provider_lists_no_models(client_for, alice, configure):
    configure(PROVIDERS={"gone": {"base_url": "http://127.0.0.1:9/v1"}})

    handles = [each["handle"] for each in client_for(alice).get("/v1/models/").json()]

    assert handles == ["scripted/demo"]


@pytest.mark.parametrize("path", ["agents/", "agents/agent-none", "health/"])
def test_no_response_may_be_cached(client_for, alice, path):
    assert client_for(alice).get(f"/v1/{path}").headers["Cache-Control"] == "no-store"
