"""JSON of a run's events, and of its outcome."""

from typing import Any, Literal, TypeAlias, cast

from typing_extensions import TypedDict

from ...domain.runs.events import (
    ApprovalRequestEvent,
    ErrorEvent,
    NumberedEvent,
    ReasoningEvent,
    ResumeEvent,
    RunUsage,
    StopEvent,
    SummaryEvent,
    TextEvent,
    ToolCallEvent,
    ToolReturnEvent,
    UsageEvent,
)
from ...domain.turns.reply import SEND_MESSAGE_TOOL
from ...llm.errors import MODEL_ERRORS, ModelErrorType
from ...models import Run
from ..http.errors import NOTHING_TO_COMPACT
from .messages import (
    MessageContent,
    MessageJSON,
    ToolCallJSON,
    ToolReturnJSON,
    otid_of,
    speech_of,
    tool_return_content,
)
from .turns import CompactionJSON, StopReasonJSON, UsageJSON


class ErrorEventJSON(TypedDict):
    """Why a streamed turn failed."""

    message_type: Literal["error_message"]
    run_id: str
    error_type: str
    message: str
    detail: str | None
    seq_id: int


EventJSON: TypeAlias = MessageJSON | StopReasonJSON | UsageJSON | ErrorEventJSON


def event_json(
    stored: NumberedEvent, *, types: list[str] | None = None, shows_sent_messages: bool = True
) -> list[EventJSON]:
    """Return the JSON of a stored event: one object, rarely two, none if `types` excludes it.

    `shows_sent_messages` turns calls of `send_message` into assistant messages.
    """
    event = stored.event
    if isinstance(event, StopEvent):
        return [{"message_type": "stop_reason", "stop_reason": event.reason}]
    if isinstance(event, ResumeEvent):
        return []  # V1 has no equivalent.
    if isinstance(event, UsageEvent):
        return [usage_json(event.usage)]
    if isinstance(event, ErrorEvent):
        return [_error_json(stored.run_id, event, stored.seq)]
    items: list[MessageJSON] = [
        {
            "id": event.message,
            "date": event.at,
            "name": event.name if isinstance(event, ToolReturnEvent) else None,
            "otid": otid_of(event.message, event.index),
            "sender_id": None,
            "step_id": event.step,
            "is_err": None,
            "seq_id": stored.seq,
            "run_id": stored.run_id,
            **item,
        }
        for item in _items(event, shows_sent_messages)
    ]
    return [item for item in items if types is None or item["message_type"] in types]


def _items(
    event: TextEvent
    | ReasoningEvent
    | ToolCallEvent
    | ApprovalRequestEvent
    | ToolReturnEvent
    | SummaryEvent,
    shows_sent_messages: bool,
) -> list[MessageContent]:
    if isinstance(event, TextEvent):
        return [{"message_type": "assistant_message", "content": event.text}]
    if isinstance(event, ReasoningEvent):
        return [
            {
                "message_type": "reasoning_message",
                "source": "reasoner_model",
                "reasoning": event.text,
                "signature": None,
            }
        ]
    if isinstance(event, SummaryEvent):
        return [{"message_type": "summary_message", "summary": event.text}]
    if isinstance(event, ToolReturnEvent):
        returned: ToolReturnJSON = {
            "type": "tool",
            "tool_return": event.text,
            "status": event.status,
            "tool_call_id": event.call_id,
            "stdout": event.stdout,
            "stderr": event.stderr,
        }
        return [tool_return_content([returned])]
    return _call_items(event, shows_sent_messages)


def _call_items(
    event: ToolCallEvent | ApprovalRequestEvent, shows_sent_messages: bool
) -> list[MessageContent]:
    calls: list[ToolCallJSON] = [
        {"name": call["name"], "arguments": call["arguments"], "tool_call_id": call["id"]}
        for call in event.calls
    ]
    message_type: Literal["approval_request_message", "tool_call_message"]
    if isinstance(event, ApprovalRequestEvent):
        message_type = "approval_request_message"
    else:
        message_type = "tool_call_message"
    if event.is_piece:
        # V1's shape of a chunk: only the first one has a name, and `tool_calls` is no array.
        chunk = {**calls[0], "name": calls[0]["name"] or None}
        content = {"message_type": message_type, "tool_call": chunk, "tool_calls": chunk}
        return [cast(MessageContent, content)]
    sent = [call for call in calls if shows_sent_messages and call["name"] == SEND_MESSAGE_TOOL]
    others = [call for call in calls if call not in sent]
    items: list[MessageContent] = []
    if others:
        items.append({"message_type": message_type, "tool_call": others[0], "tool_calls": others})
    items += [
        {"message_type": "assistant_message", "content": speech_of(call["arguments"])}
        for call in sent
    ]
    return items


def usage_json(usage: RunUsage) -> UsageJSON:
    """Return the JSON of a run's usage: zeros if no model was called."""
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


def _error_json(run_id: str, event: ErrorEvent, seq: int) -> ErrorEventJSON:
    # V1 has one type for all errors of providers.
    is_model_error = event.error_type in MODEL_ERRORS
    return {
        "message_type": "error_message",
        "run_id": run_id,
        "error_type": "llm_error" if is_model_error else event.error_type,
        "message": event.text,
        "detail": event.detail,
        "seq_id": seq,
    }


def compaction_json(event: SummaryEvent) -> CompactionJSON:
    """Return the JSON of a compaction."""
    return {
        "summary": event.text,
        "num_messages_before": event.before,
        "num_messages_after": event.after,
    }


def failure_json(run: Run, event: ErrorEvent) -> tuple[int, dict[str, Any]]:
    """Return the status and the body for a run that failed."""
    if run.error_type == "nothing_to_compact":
        return 400, {"detail": f"{NOTHING_TO_COMPACT}{event.text}"}
    if run.error_type == "invalid_argument":
        return 400, {"detail": event.text}
    error = {"type": run.error_type, "message": event.text, "detail": event.detail}
    kind = MODEL_ERRORS.get(cast(ModelErrorType, run.error_type))
    return kind.status if kind else 500, {"error": error, "run_id": run.pk}
