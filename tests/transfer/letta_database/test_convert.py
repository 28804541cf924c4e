"""Select and convert rows of V1 and compare them with literal rows."""

import json
from dataclasses import asdict, fields
from datetime import UTC, datetime

import pytest
from django.db.models import AutoField

from conversations.transfer.letta_database import queries, rows
from conversations.transfer.letta_database.convert import Converter, convert_revisions
from conversations.transfer.letta_database.findings import Findings
from conversations.transfer.letta_database.v1_database import Scope, open_v1_database

from .v1 import ORGANIZATION, USER

STRANGER = "user-11111111-0000-4000-8000-000000000001"
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
UPDATED = datetime(2026, 2, 1, tzinfo=UTC)
OWNED = {
    "created_at": CREATED,
    "updated_at": UPDATED,
    "_created_by_id": USER,
    "_last_updated_by_id": STRANGER,
}
OWNED_HERE = {
    "organization_id": ORGANIZATION,
    "created_at": CREATED,
    "updated_at": UPDATED,
    "created_by_id": USER,
    "last_updated_by_id": None,
}
AGENT = "agent-00000000-0000-4000-8000-000000000001"
CONVERSATION = "conv-00000000-0000-4000-8000-000000000002"
BLOCK = "block-00000000-0000-4000-8000-000000000003"
RUN = "run-00000000-0000-4000-8000-000000000004"
STEP = "step-00000000-0000-4000-8000-000000000005"
MESSAGE = "message-00000000-0000-4000-8000-000000000006"

converter = Converter({USER: ORGANIZATION}, Findings(print))
ROW_CLASSES = [
    each
    for each in vars(rows).values()
    if isinstance(each, type) and hasattr(each, "django_model") and each.__module__ == rows.__name__
]


@pytest.fixture
def selected(v1):
    """Return a function that returns the only row of a query."""

    def select(query, **parameters):
        with open_v1_database(v1.url, Scope(deleted=True)) as database:
            [row] = database.all(query, **parameters)
        return row

    return select


def stored_columns(row) -> dict:
    converter.own(row)
    return {name: asdict(row)[name] for name in rows.model_fields(type(row))}


def test_agent_is_converted(v1, selected):
    v1.agent(
        **OWNED,
        id=AGENT,
        name="Concierge",
        description="Front desk",
        system="You answer.",
        agent_type="memgpt_v2_agent",
        llm_config='{"handle": "openai/small", "context_window": 9000, "temperature": 0.5, '
        '"max_tokens": 100}',
        embedding_config='{"handle": "openai/embedding"}',
        metadata_='{"floor": 1.50}',
        tool_rules='[{"type": "requires_approval", "tool_name": "look_up"}, {"type": "run_first"}]',
        timezone="Europe/Lisbon",
        last_run_completion=UPDATED,
        is_deleted=True,
    )
    v1.insert("agents_tags", agent_id=AGENT, tag="desk")
    row = selected(queries.AGENTS, found=[ORGANIZATION])

    lines = []
    Converter({USER: ORGANIZATION}, Findings(lines.append)).agent(row, [])

    assert lines == [f"{AGENT}: a tool rule is left out: expected the name of a tool, got None"]

    assert stored_columns(row) == {
        "id": AGENT,
        **OWNED_HERE,
        "name": "Concierge",
        "description": "Front desk",
        "system": "You answer.",
        "agent_type": "memgpt_v2_agent",
        "model": "openai/small",
        "model_settings": '{"temperature":0.5,"max_output_tokens":100}',
        "embedding": "openai/embedding",
        "context_window_limit": 9000,
        "timezone": "Europe/Lisbon",
        "tool_rules": '[{"tool_name":"look_up","type":"requires_approval","prompt_template":null}]',
        "tags": '["desk"]',
        "metadata": '{"floor": 1.50}',
        "hidden": None,
        "max_files_open": None,
        "per_file_view_window_char_limit": None,
        "last_run_completed_at": UPDATED,
        "deleted_at": UPDATED,
    }


def test_block_and_its_history_are_converted(v1, selected):
    agent = v1.agent()
    v1.empty_conversation(agent, id=CONVERSATION)
    v1.block(
        "human",
        "Ada Lovelace",
        **OWNED,
        id=BLOCK,
        limit=5,
        description="Who it is",
        read_only=True,
        template_name="person",
    )
    v1.link_isolated(CONVERSATION, BLOCK, "persona")
    v1.insert(
        "block_history", id="h1", block_id=BLOCK, sequence_number=1, value="Ada", limit=5,
        description="Who it is", created_at=CREATED,
    )  # fmt: skip
    row = selected(queries.ISOLATED_BLOCKS, batch=[CONVERSATION])
    history = selected(queries.BLOCK_HISTORY, batch=[BLOCK])

    converter.block(row)

    assert stored_columns(row) == {
        "id": BLOCK,
        **OWNED_HERE,
        "label": "persona",
        "value": "Ada Lovelace",
        "limit": 12,
        "description": "Who it is",
        "metadata": "{}",
        "read_only": True,
        "hidden": None,
        "tags": "[]",
        "version": 1,
        "is_template": False,
        "template_name": "person",
        "project_id": None,
        "conversation_id": CONVERSATION,
        "deleted_at": None,
    }
    revisions = convert_revisions(row, [history])
    assert [(r.number, r.value, r.limit, r.written_at, r.source) for r in revisions] == [
        (1, "Ada", 5, CREATED, "import"),
        (2, "Ada Lovelace", 12, UPDATED, "import"),
    ]


def test_conversation_is_converted(v1, selected):
    v1.empty_conversation(
        v1.agent(id=AGENT),
        **OWNED,
        id=CONVERSATION,
        summary="A trip",
        model="openai/large",
        model_settings='{"temperature": 1.0}',
        last_message_at=UPDATED,
    )
    row = selected(queries.CONVERSATIONS, batch=[AGENT])

    converter.conversation(row)

    assert stored_columns(row) == {
        "id": CONVERSATION,
        **OWNED_HERE,
        "agent_id": AGENT,
        "is_default": False,
        "summary": "A trip",
        "model": "openai/large",
        "model_settings": '{"temperature": 1.0}',
        "last_message_at": UPDATED,
        "deleted_at": None,
        "hidden": False,
        "compiled_from": '{"system": "", "blocks": []}',
    }


@pytest.mark.parametrize("content", [None, "null"])
def test_message_is_converted(v1, selected, content):
    call = {"id": "call-1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    run = v1.run(v1.agent(id=AGENT), id=RUN)
    v1.step(run, id=STEP)
    v1.insert(
        "messages",
        **OWNED,
        id=MESSAGE,
        organization_id=ORGANIZATION,
        agent_id=AGENT,
        role="function",
        content=content,
        text='"done"',
        tool_calls=json.dumps([call]),
        tool_call_id="call-1",
        tool_returns='[{"status": "success", "cost": 0.10}]',
        name="f",
        otid="otid-1",
        sender_id="sender-1",
        group_id="group-1",
        model="openai/small",
        run_id=RUN,
        step_id=STEP,
        is_err=False,
    )
    row = selected(queries.MESSAGES, batch=[AGENT])

    converter.message(row)

    columns = stored_columns(row)
    assert json.loads(columns.pop("content")) == [{"type": "text", "text": '"done"'}]
    assert columns == {
        "id": MESSAGE,
        **OWNED_HERE,
        "agent_id": AGENT,
        "role": "tool",
        "tool_calls": json.dumps([call]),
        "tool_call_id": "call-1",
        "tool_returns": '[{"status": "success", "cost": 0.10}]',
        "name": "f",
        "otid": "otid-1",
        "sender_id": "sender-1",
        "group_id": "group-1",
        "model": "openai/small",
        "run_id": RUN,
        "step_id": STEP,
        "is_err": False,
    }


@pytest.mark.parametrize(
    ("step_count", "status", "stop_reason", "error"),
    [(1, "completed", "end_turn", ""), (0, "failed", "error", "V1 never finished this run")],
)
def test_unfinished_run_is_converted_as_ended(v1, selected, step_count, status, stop_reason, error):
    agent = v1.agent(id=AGENT)
    v1.empty_conversation(agent, id=CONVERSATION)
    v1.run(
        agent,
        **OWNED,
        id=RUN,
        conversation_id=CONVERSATION,
        status="created",
        metadata_='{"run_type": "send_message"}',
        ttft_ns=7,
        total_duration_ns=8,
    )
    for _ in range(step_count):
        v1.step(RUN, prompt_tokens=3, completion_tokens=2, total_tokens=5, updated_at=UPDATED)
    row = selected(queries.RUNS, batch=[AGENT])

    converter.run(row)

    columns = stored_columns(row)
    assert json.loads(columns.pop("usage")) == {
        "prompt_tokens": 3 * step_count,
        "completion_tokens": 2 * step_count,
        "total_tokens": 5 * step_count,
        "step_count": step_count,
    }
    assert columns == {
        "id": RUN,
        **OWNED_HERE,
        "agent_id": AGENT,
        "conversation_id": CONVERSATION,
        "status": status,
        "stop_reason": stop_reason,
        "background": False,
        "metadata": '{"run_type": "send_message"}',
        "request_config": "{}",
        "error": error,
        "started_at": CREATED,
        "completed_at": UPDATED,
        "ttft_ns": 7,
        "total_duration_ns": 8,
    }


def test_step_is_converted(v1, selected):
    v1.run(v1.agent(id=AGENT), id=RUN)
    v1.step(
        RUN,
        **OWNED,
        id=STEP,
        model="small",
        model_handle=None,
        provider_name="openai",
        stop_reason="end_turn",
        error_type="timeout",
        error_data='{"message": "too slow"}',
        prompt_tokens=3,
        completion_tokens=2,
        total_tokens=5,
        reasoning_tokens=1,
    )
    row = selected(queries.STEPS, batch=[AGENT])

    converter.step(row)

    columns = stored_columns(row)
    assert json.loads(columns.pop("usage")) == {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "reasoning_tokens": 1,
    }
    assert columns == {
        "id": STEP,
        **OWNED_HERE,
        "run_id": RUN,
        "number": 1,
        "model": "openai/small",
        "stop_reason": "end_turn",
        "feedback": None,
        "error": "too slow",
    }


@pytest.mark.parametrize("row_class", ROW_CLASSES)
def test_row_class_has_every_column_without_a_default(row_class):
    required = {
        field.attname
        for field in row_class.django_model._meta.concrete_fields
        if not (field.null or field.has_default() or isinstance(field, AutoField))
        and not field.generated
        and not (field.blank and field.empty_strings_allowed)
    }
    columns = set(rows.model_fields(row_class))

    assert required <= columns
    assert row_class.unverified | {*row_class.key} <= columns


def test_only_fields_that_help_the_converter_are_not_stored():
    names = {
        field.name
        for row_class in ROW_CLASSES
        for field in fields(row_class)
        if field.name not in rows.model_fields(row_class)
    }

    assert names == {
        *("llm_config", "embedding_config", "message_ids"),
        *("name", "requires_approval", "is_readable"),
        *("v1_id", "is_orphan", "v1_label", "isolated_at", "is_used_elsewhere"),
        *("shared_block_id", "shared_value", "is_base"),
        *("attached_at", "organization_id", "is_own", "v1_status", "error_data"),
        *("embedding", "folder_id"),
    }
