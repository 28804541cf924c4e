"""The OpenAPI document, and requests generated from it."""

import re
from contextlib import nullcontext, suppress

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

from conversations.domain.conversations.accounts import issue_key
from conversations.domain.folders.folders import attach_folder
from conversations.ids import new_id

from ..factories import (
    actor,
    make_agent,
    make_conversation,
    make_file,
    make_folder,
    make_messages,
    make_passage,
    make_run,
    make_tool,
)
from .routes import PREFIXES


def test_schema_is_valid_and_has_every_route(client, db, tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema"))

    paths = set(client.get("/v1/schema/?format=json").json()["paths"])

    assert paths == {f"/v1/{route}" for route in documented_routes()}


def test_every_operation_documents_its_errors(client, db):
    document = client.get("/v1/schema/?format=json").json()

    for operations in document["paths"].values():
        for operation in operations.values():
            [content] = operation["responses"]["default"]["content"].values()
            assert content["schema"] == {"$ref": "#/components/schemas/Error"}
    assert document["components"]["schemas"]["Error"]["properties"] == {
        "detail": {"type": "string"}
    }


def documented_routes() -> set[str]:
    """Return the routes of `api/urls.py` without aliases."""
    [api] = [p for p in get_resolver().url_patterns if str(p.pattern) == "v1/"]
    routes = {str(p.pattern) for p in api.url_patterns if "schema" not in p.callback.initkwargs}
    return {re.sub(r"<\w+:(\w+)>", r"{\1}", route) for route in routes} - {r"^[\s\S]*$"}


@pytest.fixture
def _one_connection():
    """Keep the connection open: without Django's test client, a request would close it."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


@pytest.mark.slow
@pytest.mark.usefixtures("_one_connection")
@pytest.mark.parametrize("mode", MODES)
def test_generated_requests_cause_no_server_error(alice, mode, configure):
    configure(OUTBOUND_ALLOWED_HOSTS=[])  # Generated URLs lead nowhere.
    wrong = []
    for operation, ids, authorization in operations_and_ids(alice):
        if not takes_turns(operation):
            wrong += server_errors(operation, mode, ids, authorization)

    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_generated_turns_cause_no_server_error(transactional_db, alice, mode):
    """Turns run on other threads, so their rows are committed."""
    wrong = []
    for operation, ids, authorization in operations_and_ids(alice):
        if takes_turns(operation):
            wrong += server_errors(operation, mode, ids, authorization, keeps=True)

    assert wrong == []


def takes_turns(operation) -> bool:
    return operation.method.lower() == "post" and re.search(
        r"\}/(messages|messages/(stream|async)|compact|summarize|stream)$", operation.path
    )


def operations_and_ids(alice):
    agent = make_agent(alice, labels=["human", "persona"])
    conversation = make_conversation(agent, isolated=["human"], summary="about tea")
    [question, _] = make_messages(conversation, "question", "answer")
    passage = make_passage(agent, "tea")
    file = make_file(make_folder(alice))
    attach_folder(agent, file.folder, by=actor(alice))
    ids = {name: new_id(prefix) for name, prefix in PREFIXES.items()} | {
        "agent_id": agent.pk,
        "archive_id": passage.archive_id,
        "passage_id": passage.pk,
        "conversation_id": conversation.pk,
        "block_id": agent.blocks.get(label="persona").pk,
        "message_id": question.pk,
        "run_id": make_run(conversation, status="completed").pk,
        "tool_id": make_tool(alice, "mine").pk,
        "label": "human",
        "tool_name": "memory_insert",
        "folder_id": file.folder_id,
        "folder_name": file.folder.name,
        "file_id": file.pk,
    }
    _, secret = issue_key(alice)
    schema = schemathesis.openapi.from_wsgi("/v1/schema/?format=json", get_wsgi_application())
    for result in schema.get_all_operations():
        yield result.ok(), ids, f"Bearer {secret}"


def server_errors(
    operation, mode, ids: dict, authorization: str, *, keeps: bool = False
) -> list[str]:
    """Send generated requests; return those answered with a 5xx or with neither JSON nor events.

    Changes are rolled back unless `keeps` is true.
    """
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
        # Ids that exist; otherwise nearly every request would be a 404.
        case.path_parameters |= {name: ids[name] for name in case.path_parameters}
        if "agent_id" in case.query:
            case.query["agent_id"] = ids["agent_id"]
        with nullcontext() if keeps else transaction.atomic():
            response = case.call(headers={"Authorization": authorization})
            if not keeps:
                transaction.set_rollback(True)
        # A generated If-None-Match can be `*`, which matches any tag: 304 without a body.
        kind = (response.headers.get("content-type") or ["application/json"])[0]
        kinds = ("application/json", "text/event-stream")
        if response.status_code >= 500 or not kind.startswith(kinds):
            wrong.append(f"{response.status_code} {case.as_curl_command()}")

    # An operation without parameters has no invalid requests.
    with suppress(Unsatisfiable):
        send()
    return wrong
