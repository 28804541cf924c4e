"""A run's events as the wire has them."""

from ...domain.runs.events import Event
from ...domain.turns.reply import SPEAKING_TOOL
from ...models import Run
from ..shapes.messages import otid_of, speech_of


def represent_event(
    run_id: str, event: Event, *, types: list[str] | None = None, speech: bool = True
) -> list[dict]:
    """One stored event; nothing where `types` leaves it out, rarely two."""
    data = event.data
    kind = data["type"]
    if kind == "stop":
        return [{"message_type": "stop_reason", "stop_reason": data["reason"]}]
    if kind == "usage":
        return [represent_usage(data)]
    if kind == "error":
        return [represent_error(run_id, data, event.seq)]
    items = [
        {
            "id": data["message"],
            "date": data["at"],
            "name": data.get("name"),
            "otid": otid_of(data["message"], data.get("index", 0)),
            "sender_id": None,
            "step_id": data.get("step"),
            "is_err": None,
            "seq_id": event.seq,
            "run_id": run_id,
            **item,
        }
        for item in _items(data, speech)
    ]
    return [item for item in items if types is None or item["message_type"] in types]


def _items(data: dict, speech: bool) -> list[dict]:
    kind = data["type"]
    if kind == "text":
        return [{"message_type": "assistant_message", "content": data["text"]}]
    if kind == "reasoning":
        return [
            {
                "message_type": "reasoning_message",
                "source": "reasoner_model",
                "reasoning": data["text"],
                "signature": None,
            }
        ]
    if kind == "summary":
        return [{"message_type": "summary_message", "summary": data["text"]}]
    if kind == "tool_return":
        returned = {
            "tool_return": data["text"],
            "status": data["status"],
            "tool_call_id": data["call_id"],
            "stdout": None,
            "stderr": None,
        }
        tool_returns = [{"type": "tool", **returned}]
        return [{"message_type": "tool_return_message", **returned, "tool_returns": tool_returns}]
    return _calls(data, speech)


def _calls(data: dict, speech: bool) -> list[dict]:
    calls = [
        {"name": call["name"], "arguments": call["arguments"], "tool_call_id": call["id"]}
        for call in data["calls"]
    ]
    if data["type"] == "approval_request":
        message_type = "approval_request_message"
    else:
        message_type = "tool_call_message"
    if data.get("is_piece"):
        # A piece names the tool once, and `tool_calls` is then no array: V1's shape.
        piece = {**calls[0], "name": calls[0]["name"] or None}
        return [{"message_type": message_type, "tool_call": piece, "tool_calls": piece}]
    spoken = [call for call in calls if speech and call["name"] == SPEAKING_TOOL]
    others = [call for call in calls if call not in spoken]
    items = []
    if others:
        items.append({"message_type": message_type, "tool_call": others[0], "tool_calls": others})
    items += [
        {"message_type": "assistant_message", "content": speech_of(call["arguments"])}
        for call in spoken
    ]
    return items


def represent_usage(usage: dict) -> dict:
    """`Run.usage` on the wire; zeros for a turn that never asked a model."""
    return {
        "message_type": "usage_statistics",
        "completion_tokens": usage.get("completion_tokens") or 0,
        "prompt_tokens": usage.get("prompt_tokens") or 0,
        "total_tokens": usage.get("total_tokens") or 0,
        "step_count": usage.get("step_count") or 0,
        "run_ids": None,
        "cached_input_tokens": usage.get("cached_input_tokens"),
        "cache_write_tokens": None,
        "reasoning_tokens": usage.get("reasoning_tokens"),
        "context_tokens": usage.get("context_tokens"),
    }


def represent_error(run_id: str, data: dict, seq: int | None) -> dict:
    """Return the JSON of an error event."""
    is_model = data["error_type"].startswith(("llm_", "context_"))
    return {
        "message_type": "error_message",
        "run_id": run_id,
        # V1's one word for whatever a provider did.
        "error_type": "llm_error" if is_model else data["error_type"],
        "message": data["text"],
        "detail": data["detail"],
        "seq_id": seq,
    }


# How a failed plain turn is answered, by what went wrong; everything else is a 500.
STATUSES = {
    "llm_bad_request": 400,
    "llm_not_found": 400,
    "context_window_exceeded": 400,
    "llm_authentication": 401,
    "llm_permission_denied": 401,
    "llm_insufficient_credits": 402,
    "llm_rate_limit": 429,
    "llm_timeout": 504,
}


def represent_compaction(data: dict) -> dict:
    """Return the JSON of a compaction."""
    return {
        "summary": data["text"],
        "num_messages_before": data["before"],
        "num_messages_after": data["after"],
    }


def represent_failure(run: Run, data: dict) -> tuple[int, dict]:
    """The status and body of a plain answer to a turn that failed."""
    if run.error_type == "invalid_argument":
        return 400, {"detail": data["text"]}
    error = {"type": run.error_type, "message": data["text"], "detail": data["detail"]}
    return STATUSES.get(run.error_type, 500), {"error": error, "run_id": run.pk}
