"""Rows of V1 are converted to literal, known rows."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import pytest
from django.db.models import AutoField

from conversations.transfer.letta_database import rows
from conversations.transfer.letta_database.convert import Converter, convert_revisions
from conversations.transfer.letta_database.queries import (
    V1Agent,
    V1Block,
    V1BlockHistory,
    V1Conversation,
    V1Message,
    V1Run,
    V1Step,
)

ORGANIZATION = "org-00000000-0000-4000-8000-000000000000"
USER = "user-00000000-0000-4000-8000-000000000000"
STRANGER = "user-11111111-0000-4000-8000-000000000001"
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
UPDATED = datetime(2026, 2, 1, tzinfo=UTC)
OWNED = (ORGANIZATION, CREATED, UPDATED, USER, STRANGER)
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

converter = Converter({USER: ORGANIZATION})
ROW_CLASSES = [
    each
    for each in vars(rows).values()
    if isinstance(each, type) and hasattr(each, "django_model") and each.__module__ == rows.__name__
]


def test_agent_is_converted():
    row = V1Agent(
        AGENT,
        *OWNED,
        name="Concierge",
        description="Front desk",
        system="You answer.",
        agent_type="memgpt_v2_agent",
        llm_config='{"handle": "openai/small", "context_window": 9000, "temperature": 0.5, '
        '"max_tokens": 100}',
        embedding_config='{"handle": "openai/embedding"}',
        metadata='{"floor": 1.50}',
        tool_rules='[{"type": "requires_approval", "tool_name": "look_up"}, {"type": "run_first"}]',
        timezone="Europe/Lisbon",
        hidden=None,
        last_run_completion=UPDATED,
        is_deleted=True,
        message_ids="[]",
        tags='["desk"]',
    )
    tools = [
        {"name": "look_up", "source_code": "pass", "organization_id": "org-1"},
        {"name": "send_message", "tool_type": "letta_core"},
    ]

    assert asdict(converter.agent(row, tools)) == {
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
        "tools": '["look_up","send_message"]',
        "approval_tools": '["look_up"]',
        "tool_definitions": '[{"name":"look_up","source_code":"pass"}]',
        "tags": '["desk"]',
        "metadata": '{"floor": 1.50}',
        "hidden": None,
        "last_run_completed_at": UPDATED,
        "deleted_at": UPDATED,
        "isolated_labels": "[]",
    }


def test_block_and_its_history_are_converted():
    row = V1Block(
        BLOCK,
        *OWNED,
        label="human",
        value="Ada Lovelace",
        limit=5,
        description="Who it is",
        metadata=None,
        read_only=True,
        hidden=None,
        is_template=False,
        template_name="person",
        project_id=None,
        is_deleted=False,
        tags=None,
        is_orphan=True,
    )
    history = [V1BlockHistory(BLOCK, "Ada", 5, "Who it is", CREATED)]

    block = converter.block(
        row, block_id=BLOCK, label="persona", conversation_id=CONVERSATION, version=2
    )

    assert asdict(block) == {
        "id": BLOCK,
        **OWNED_HERE,
        "label": "persona",
        "value": "Ada Lovelace",
        "limit": 12,
        "description": "Who it is",
        "metadata": "{}",
        "read_only": True,
        "hidden": True,
        "tags": "[]",
        "version": 2,
        "is_template": False,
        "template_name": "person",
        "project_id": None,
        "conversation_id": CONVERSATION,
        "deleted_at": None,
        "copy_on_write": False,
    }
    revisions = convert_revisions(row, history, block_id=BLOCK, conversation_id=CONVERSATION)
    assert [(r.number, r.value, r.limit, r.written_at, r.source) for r in revisions] == [
        (1, "Ada", 5, CREATED, "import"),
        (2, "Ada Lovelace", 12, UPDATED, "import"),
    ]


def test_conversation_is_converted():
    row = V1Conversation(
        CONVERSATION,
        *OWNED,
        agent_id=AGENT,
        summary="A trip",
        model="openai/large",
        model_settings='{"temperature": 1}',
        last_message_at=UPDATED,
        is_deleted=False,
    )

    assert asdict(converter.conversation(row)) == {
        "id": CONVERSATION,
        **OWNED_HERE,
        "agent_id": AGENT,
        "is_default": False,
        "summary": "A trip",
        "model": "openai/large",
        "model_settings": '{"temperature": 1}',
        "last_message_at": UPDATED,
        "deleted_at": None,
        "hidden": False,
        "version": 1,
        "compiled_from": '{"system": "", "blocks": []}',
        "last_run_completed_at": None,
    }


def test_message_is_converted():
    call = {"id": "call-1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    row = V1Message(
        MESSAGE,
        *OWNED,
        agent_id=AGENT,
        role="function",
        content=None,
        text="done",
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

    assert asdict(converter.message(row)) == {
        "id": MESSAGE,
        **OWNED_HERE,
        "agent_id": AGENT,
        "role": "tool",
        "content": '[{"type":"text","text":"done"}]',
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
def test_unfinished_run_is_converted_as_ended(step_count, status, stop_reason, error):
    row = V1Run(
        RUN,
        *OWNED,
        agent_id=AGENT,
        conversation_id=CONVERSATION,
        status="created",
        stop_reason=None,
        background=None,
        metadata='{"run_type": "send_message"}',
        request_config=None,
        completed_at=None,
        ttft_ns=7,
        total_duration_ns=8,
        step_count=step_count,
        last_step_at=None,
        prompt_tokens=3,
        completion_tokens=2,
        total_tokens=5,
    )

    assert asdict(converter.run(row)) == {
        "id": RUN,
        **OWNED_HERE,
        "agent_id": AGENT,
        "conversation_id": CONVERSATION,
        "status": status,
        "stop_reason": stop_reason,
        "background": False,
        "metadata": '{"run_type": "send_message"}',
        "request_config": "{}",
        "usage": '{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"step_count":'
        f"{step_count}}}",
        "error": error,
        "started_at": CREATED,
        "completed_at": UPDATED,
        "ttft_ns": 7,
        "total_duration_ns": 8,
        "request": "{}",
        "request_digest": "",
        "error_type": "",
        "worker": "",
    }


def test_step_is_converted():
    row = V1Step(
        STEP,
        *OWNED,
        run_id=RUN,
        number=2,
        model="small",
        model_handle=None,
        provider_name="openai",
        stop_reason="end_turn",
        error_type="timeout",
        error_data='{"message": "too slow"}',
        prompt_tokens=3,
        completion_tokens=2,
        total_tokens=5,
        cached_input_tokens=None,
        reasoning_tokens=1,
    )

    assert asdict(converter.step(row)) == {
        "id": STEP,
        **OWNED_HERE,
        "run_id": RUN,
        "number": 2,
        "model": "openai/small",
        "stop_reason": "end_turn",
        "usage": '{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"reasoning_tokens":1}',
        "error": "too slow",
        "blocks_seen": "[]",
    }


@pytest.mark.parametrize("row_class", ROW_CLASSES)
def test_row_class_has_every_required_column_of_its_model(row_class):
    """COPY and INSERT bypass the defaults of the models."""
    required = {
        field.attname
        for field in row_class.django_model._meta.concrete_fields
        if not field.null and not isinstance(field, AutoField)
    }
    columns = set(rows.columns(row_class))

    assert set(rows.model_fields(row_class)) == columns
    assert required <= columns
    assert row_class.unverified | {*row_class.key} <= columns
