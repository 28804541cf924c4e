"""The OpenAPI document, and requests generated from it."""

from contextlib import suppress

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.urls import get_resolver
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from conversations.domain.accounts import issue_key

from ..factories import make_agent, make_conversation, make_messages, make_run


def test_the_schema_is_valid_and_names_every_route(client, db, tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema"))

    paths = set(client.get("/v1/schema/?format=json").json()["paths"])

    assert paths == {f"/v1/{route}" for route in documented_routes()}


def documented_routes() -> set[str]:
    """The routes of `api/urls.py` but those that other routes are spelled for."""
    [api] = [p for p in get_resolver().url_patterns if str(p.pattern) == "v1/"]
    routes = {str(p.pattern) for p in api.url_patterns if "schema" not in p.callback.initkwargs}
    named = {
        route.replace("<str:", "{").replace("<path:", "{").replace(">", "}") for route in routes
    }
    return named - {"^.*$"}


@pytest.fixture
def _one_connection():
    """Outside Django's own test client, the end of a request would end the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.slow
@pytest.mark.usefixtures("_one_connection")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_generated_request_is_a_server_error(alice, mode):
    agent = make_agent(alice, labels=["human", "persona"])
    conversation = make_conversation(agent, isolated=["human"], summary="about tea")
    [question, _] = make_messages(conversation, "question", "answer")
    ids = {
        "agent_id": agent.pk,
        "conversation_id": conversation.pk,
        "block_id": agent.blocks.get(label="persona").pk,
        "message_id": question.pk,
        "run_id": make_run(conversation).pk,
        "label": "human",
    }
    _, secret = issue_key(alice)
    schema = schemathesis.openapi.from_wsgi("/v1/schema/?format=json", get_wsgi_application())

    wrong = []
    for result in schema.get_all_operations():
        wrong += server_errors(result.ok(), mode, ids, f"Bearer {secret}")

    assert wrong == []


def server_errors(operation, mode, ids: dict, authorization: str) -> list[str]:
    """What of some generated requests was answered with a 5xx or with anything but JSON."""
    wrong = []

    @settings(
        max_examples=8,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case):
        # Ids that exist, or nearly every request would end at its path.
        case.path_parameters |= {name: ids[name] for name in case.path_parameters}
        if "agent_id" in case.query:
            case.query["agent_id"] = ids["agent_id"]
        with transaction.atomic():
            response = case.call(headers={"Authorization": authorization})
            transaction.set_rollback(True)
        # A generated If-None-Match may be a star, which any tag matches: 304, without a body.
        kind = response.headers.get("content-type", "application/json")
        if response.status_code >= 500 or "application/json" not in kind:
            wrong.append(f"{response.status_code} {case.as_curl_command()}")

    # An operation that takes nothing has no wrong requests.
    with suppress(Unsatisfiable):
        send()
    return wrong
