"""How messages, runs and steps of V1 read here."""

from typing import Any

from ..agent_files.pieces import ROLES
from .convert import Reader, dumped, own_thread_id


def message_row(reader: Reader, row: Any) -> tuple:
    role = ROLES.get(row.role)
    if role is None:
        raise reader.wrong(row, f"role is {row.role!r}; expected one of {', '.join(ROLES)}")
    content, content_text = reader.json(row, "content", list), row.content
    if content is None:
        content_text = None
        content = [{"type": "text", "text": row.text}] if row.text else []
    for part in content:
        if not (isinstance(part, dict) and isinstance(part.get("type"), str)):
            raise reader.wrong(row, "content has a part without a type")
    calls = reader.json(row, "tool_calls", list) or []
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not (isinstance(function, dict) and {"name", "arguments"} <= set(function)):
            raise reader.wrong(row, "tool_calls has a call without a name and arguments")
        if "id" not in call:
            raise reader.wrong(row, "tool_calls has a call without an id")
    returns = reader.json(row, "tool_returns", list) or []
    if not all(isinstance(each, dict) for each in returns):
        raise reader.wrong(row, "tool_returns has something else than objects")
    return (
        *reader.owned(row, "message"),
        row.agent_id,
        role,
        dumped(content) if content_text is None else content_text,
        reader.json_text(row, "tool_calls", list, default="[]"),
        reader.text(row, "tool_call_id", 200),
        reader.json_text(row, "tool_returns", list, default="[]"),
        reader.text(row, "name", 200),
        reader.text(row, "otid", 200),
        reader.text(row, "sender_id", 200),
        reader.text(row, "group_id", 200),
        reader.text(row, "model", 200),
        row.run_id,
        row.step_id,
        row.is_err,
    )


def run_row(reader: Reader, row: Any) -> tuple:
    """V1's plain turns stay `created` for ever. Those that took steps have ended; the others
    failed."""
    status, stop_reason, error = row.status, row.stop_reason, ""
    if status not in ("completed", "failed", "cancelled"):
        status = "completed" if row.steps else "failed"
        stop_reason = stop_reason or ("end_turn" if row.steps else "error")
        error = "" if row.steps else "V1 never finished this run"
    usage = {"prompt_tokens": row.prompt, "completion_tokens": row.completion}
    usage |= {"total_tokens": row.total, "step_count": row.steps}
    return (
        *reader.owned(row, "run"),
        row.agent_id,
        row.conversation_id or own_thread_id(row.agent_id),
        status,
        reader.text(row, "stop_reason", 50) or stop_reason,
        bool(row.background),
        reader.json_text(row, "metadata", default="{}"),
        reader.json_text(row, "request_config", default="{}"),
        "{}",
        "",
        dumped({name: value or 0 for name, value in usage.items()}),
        error,
        "",
        "",
        row.created_at,
        row.completed_at or row.ended_at or row.updated_at,
        row.ttft_ns,
        row.total_duration_ns,
    )


def step_row(reader: Reader, row: Any) -> tuple:
    model = row.model_handle or "/".join(filter(None, [row.provider_name, row.model]))
    usage = {
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "total_tokens": row.total_tokens,
        "cached_input_tokens": row.cached_input_tokens,
        "reasoning_tokens": row.reasoning_tokens,
    }
    error = reader.json(row, "error_data") or {}
    return (
        *reader.owned(row, "step"),
        row.run_id,
        row.number,
        model[:200],
        reader.text(row, "stop_reason", 50),
        dumped({name: value for name, value in usage.items() if value is not None}),
        "[]",
        str(error.get("message") or row.error_type or ""),
    )
