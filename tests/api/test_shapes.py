"""Every JSON response matches the OpenAPI document: no field is undeclared or missing."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.timezone import now
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from conversations.domain.archives.embedding import EmbeddingResult, store_result
from conversations.domain.conversations.accounts import issue_key
from conversations.domain.conversations.messages import append_messages, text_message
from conversations.domain.folders.folders import attach_folder
from conversations.domain.memory.blocks import write_block
from conversations.domain.memory.isolation import isolate_label, release_label
from conversations.domain.memory.label_edits import edit_isolated_block
from conversations.domain.memory.revisions import undo
from conversations.domain.tools.rules import with_approvals
from conversations.models import Message, Run, Step

from ..factories import (
    actor,
    make_agent,
    make_conversation,
    make_file,
    make_folder,
    make_identity,
    make_mcp_server,
    make_messages,
    make_passage,
    make_run,
    make_tool,
)
from ..runtime.processes import until


class Operation(NamedTuple):
    """An operation of the OpenAPI document that returns JSON."""

    id: str
    method: str
    path: str
    schema: dict[str, Any]


DOCUMENT = json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True)))


def operations() -> Iterator[Operation]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            content = operation["responses"].get("200", {}).get("content", {})
            if "application/json" in content:
                schema = content["application/json"]["schema"]
                yield Operation(operation["operationId"], method, path, schema)


def strict(schema: Any) -> Any:
    """Return the same schema without undeclared fields in its objects."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(value) for key, value in schema.items()}
    return closed | {"additionalProperties": False} if "properties" in schema else closed


COMPONENTS = strict(DOCUMENT["components"])

SOURCE = {"source_code": 'def new():\n    """Do."""'}
# Operations that run a turn on another thread.
TURN_BODIES = {
    "conversations_messages_create": {"input": "SAY hello", "streaming": False},
    "agents_messages_create": {"input": "SAY hello"},
    "agents_messages_create_async": {"input": "SAY hello"},
    "conversations_messages_compact": {},
    "agents_messages_compact": {},
    "agents_generate": {"prompt": "SAY hello"},
}
BODIES = {
    "agents_create": {"name": "new", "model": "openai/gpt-4o-mini"},
    "agents_update": {"description": "new"},
    "agents_tools_update_approval": {"requires_approval": True},
    "agents_tools_run": {"args": {}},
    "agents_blocks_update": {"value": "new"},
    "agents_passages_create": {"text": "tea"},
    "archives_create": {"name": "new"},
    "archives_update": {"description": "new"},
    "archives_passages_create": {"text": "tea"},
    "archives_passages_create_many": {"passages": [{"text": "tea"}]},
    "passages_search": {"query": "tea"},
    "folders_create": {"name": "new"},
    "folders_update": {"description": "new"},
    "blocks_create": {"label": "new"},
    "blocks_update": {"value": "new"},
    "blocks_restore": {"number": 1},
    "conversations_edit_isolated": {"value": "new"},
    "conversations_update": {"summary": "new"},
    "agents_messages_capture": {
        "provider": "openai",
        "model": "gpt",
        "request_messages": [{"role": "user", "content": "hello"}],
        "response_dict": {"content": "hi"},
    },
    "steps_feedback_create": {"feedback": "positive", "tags": ["short"]},
    "api_keys_create": {"name": "new"},
    "members_create": {"name": "new"},
    "members_update": {"name": "renamed"},
    "quotas_update": {"max_conversations": 100},
    "conversations_messages_preview": {"input": "hello"},
    "mcp_servers_update": {"server_name": "new"},
    "identities_create": {"identifier_key": "new", "name": "Bob", "identity_type": "user"},
    "identities_properties_upsert": [{"key": "plan", "value": "pro", "type": "string"}],
    "identities_update": {"name": "Bob"},
    "identities_upsert": {"identifier_key": "new", "name": "Bob", "identity_type": "user"},
    "messages_search": {"query": "tea"},
    "tools_create": SOURCE,
    "tools_run": SOURCE,
    "tools_search": {"query": "mine"},
    "tools_update": {"description": "new"},
    "tools_upsert": SOURCE,
}
# Operations with tests of their own.
OTHERS = {
    "agents_import",
    "folders_files_upload",
    "mcp_servers_create",
    "mcp_servers_refresh",
    "models_embeddings_list",
}
QUERIES = {
    "agents_passages_search": "query=tea",
    "conversations_create": "agent_id={agent_id}",
}
# Path parameters of operations that need another row than most.
OTHER_IDS = {
    "mcp_servers_tools_retrieve": {"tool_id": "mcp_tool_id"},
    "mcp_servers_tools_run": {"tool_id": "mcp_tool_id"},
    "runs_cancel": {"run_id": "active_run_id"},
    "conversations_released": {"label": "released_label"},
    "conversations_bring_back": {"label": "released_label"},
}


@pytest.fixture
def ids(alice, bob) -> dict[str, str]:
    """Return path parameters of rows that fill every list and have messages of each type."""
    agent = make_agent(
        alice,
        labels=["human", "persona"],
        embedding="openai/text-embedding-3-small",
        tools=["memory_insert", make_tool(alice, "mine").name],
        tool_rules=with_approvals([], ["memory_insert"]),
        tags=["tea"],
        max_files_open=1,
    )
    by = actor(alice)
    block = agent.blocks.get(label="human")
    for value in ("second", "third"):
        block = write_block(block, by=by, value=value)
    block = undo(block, by=by)
    conversation = make_conversation(agent, isolated=["human"])
    isolate_label(conversation, "persona", by=by)
    release_label(conversation, "persona", by=by)
    edit_isolated_block(conversation, "human", by=by, changes={"value": "isolated"})
    make_messages(agent.conversations.get(is_default=True), *["tea"] * 20)
    run = make_run(conversation, status="completed", started_at=now(), completed_at=now())
    usage = {"prompt_tokens": 1, "cached_input_tokens": 1, "reasoning_tokens": 1}
    seen = [{"label": "human", "block_id": block.pk, "version": 1, "origin": "shared"}]
    fields = {"organization": alice.organization, "run": run, "model": "openai/gpt-4o-mini"}
    trace = {"request": {"model": "gpt-4o-mini"}, "response": {"choices": []}}
    kept = {"trace": trace, "model_ns": 5, "tools_ns": 6, "tags": ["good"]}
    step = Step.objects.create(number=1, usage=usage, blocks_seen=seen, **kept, **fields)
    Step.objects.create(number=2, error="failed", **fields)
    call = {"id": "call", "type": "function", "function": {"name": "mine", "arguments": "{}"}}
    Role = Message.Role
    [message, *_] = append_messages(
        conversation,
        [
            text_message(Role.USER, "tea?", run=run, step=step),
            text_message(Role.SUMMARY, "tea"),
            text_message(Role.TOOL, "done", tool_call_id="call", name="mine"),
            Message(role=Role.APPROVAL, tool_calls=[call]),
            Message(role=Role.APPROVAL),
            Message(
                role=Role.ASSISTANT,
                content=[{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "tea"}],
                tool_calls=[call],
            ),
        ],
        by=by,
    )
    server = make_mcp_server(alice, token="s", headers={"X-A": "b"})
    identity = make_identity(alice, agents=[agent], blocks=[block])
    passage = make_passage(agent, "tea", tags=["hot"])
    folder = make_folder(alice, name="Notes", embedding="openai/text-embedding-3-small")
    make_file(folder, name="open.txt")
    closed = make_file(folder, name="closed.txt")
    attach_folder(agent, folder, by=by)
    key, _ = issue_key(bob)
    store_result(EmbeddingResult({passage.pk: [1.0]}, []))
    return {
        "agent_id": agent.pk,
        "api_key_id": key.pk,
        "member_id": bob.pk,
        "archive_id": passage.archive_id,
        "passage_id": passage.pk,
        "conversation_id": conversation.pk,
        "block_id": block.pk,
        "identity_id": identity.pk,
        "folder_id": folder.pk,
        "folder_name": folder.name,
        "file_id": closed.pk,
        "message_id": message.pk,
        "run_id": run.pk,
        "active_run_id": make_run(conversation).pk,
        "step_id": step.pk,
        "label": "human",
        "released_label": "persona",
        "tool_name": "memory_insert",
        "mcp_server_id": server.pk,
        "mcp_tool_id": server.tools.get().pk,
        "tool_id": agent.tools.get(name="mine").pk,
    }


def send(client, operation: Operation, ids: dict[str, str], body: dict | None = None):
    """Send a request to an operation and return the response, which must be a 200."""
    names = OTHER_IDS.get(operation.id, {})
    path = operation.path.format(**(ids | {name: ids[other] for name, other in names.items()}))
    if query := QUERIES.get(operation.id):
        path = f"{path}?{query.format(**ids)}"
    response = getattr(client, operation.method)(path, body)
    assert response.status_code == 200, response.content
    return response


def assert_matches(response, operation: Operation) -> None:
    """Check that the body is not empty and matches the operation's schema strictly."""
    value = response.json()
    assert value not in ([], {})
    Draft202012Validator(strict(operation.schema) | {"components": COMPONENTS}).validate(value)


OPERATIONS = {operation.id: operation for operation in operations()}


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - TURN_BODIES.keys() - OTHERS))
def test_response_matches_its_shape(client_for, alice, ids, name):
    operation = OPERATIONS[name]

    response = send(client_for(alice, scope="admin"), operation, ids, BODIES.get(name))

    assert_matches(response, operation)


def test_embedding_models_match_their_shape(client_for, alice, ids, model):
    operation = OPERATIONS["models_embeddings_list"]

    assert_matches(send(client_for(alice, scope="admin"), operation, ids), operation)


def test_upload_matches_its_shape(client_for, alice, ids):
    file = SimpleUploadedFile("ice.md", b"The harbor froze.", content_type="text/markdown")
    url = f"/v1/folders/{ids['folder_id']}/upload"

    response = client_for(alice).post(url, {"file": file}, format="multipart")

    assert_matches(response, OPERATIONS["folders_files_upload"])


def test_import_matches_its_shape(client_for, alice, ids, settings):
    client = client_for(alice, scope="admin")
    # It checks the quota for shared blocks, for chunks and for isolated blocks.
    settings.ZEAL_ALLOWLIST = [{"model": "conversations.Organization", "field": None}]
    exported = send(client, OPERATIONS["agents_export"], ids)
    file = SimpleUploadedFile("agent.af", exported.content)

    response = client.post("/v1/agents/import", {"file": file}, format="multipart")

    assert_matches(response, OPERATIONS["agents_import"])


@pytest.mark.parametrize("name", TURN_BODIES)
def test_turn_matches_its_shape(transactional_db, model, client_for, alice, ids, name):
    operation = OPERATIONS[name]
    Run.objects.filter(pk=ids["active_run_id"]).delete()

    response = send(client_for(alice, scope="admin"), operation, ids, TURN_BODIES[name])

    assert_matches(response, operation)
    until(lambda: not Run.objects.active().exists(), seconds=60, what="the turn ends")


def test_every_operation_has_a_summary_and_a_tag():
    operations = [o for methods in DOCUMENT["paths"].values() for o in methods.values()]

    for operation in operations:
        summary = operation["summary"]
        assert 0 < len(summary) <= 80, operation["operationId"]
        assert summary[0].isupper()
        assert len(operation["tags"]) == 1


def test_every_component_has_a_description():
    shapes = {name: c for name, c in DOCUMENT["components"]["schemas"].items() if "properties" in c}

    assert [name for name, component in shapes.items() if not component.get("description")] == []
