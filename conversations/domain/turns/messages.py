"""The messages that a turn adds to its conversation, unsaved, and the events of tool results."""

from collections.abc import Iterable
from typing import Any

from ...ids import new_id
from ...models import Message
from ..runs.events import Event, ToolReturnEvent
from ..tools.execution import ToolResult
from .reply import ModelReply

Role = Message.Role
# About one tool call: `tool_call_id`, `approve` and perhaps a `reason`.
Decision = dict[str, Any]


def assistant_message(reply: ModelReply, handle: str) -> Message:
    """Return the message of a reply: its reasoning, text and the calls that the server runs."""
    content = []
    if reply.reasoning:
        content.append(
            {"type": "reasoning", "reasoning": reply.reasoning, "source": "reasoner_model"}
        )
    if reply.text:
        content.append({"type": "text", "text": reply.text})
    return Message(
        id=reply.message_id,
        role=Role.ASSISTANT,
        content=content,
        tool_calls=reply.calls,
        model=handle,
    )


def decisions_message(decisions: Iterable[Decision]) -> Message:
    """Return the message of the client's decisions about calls. Models are not shown it."""
    parts = [
        {
            "type": "approval",
            "tool_call_id": decision["tool_call_id"],
            "approve": decision["approve"],
            "reason": decision.get("reason"),
        }
        for decision in decisions
    ]
    return Message(role=Role.APPROVAL, content=parts)


def sent_result_events(message: Message) -> list[Event]:
    """Return the events of the results that a client sent, which V1 repeats to it."""
    return [
        ToolReturnEvent(
            message=message.pk,
            step=None,
            name=None,
            call_id=item["tool_call_id"],
            status="error" if item.get("status") == "error" else "success",
            text=item.get("func_response") or "",
            stdout=item.get("stdout"),
            stderr=item.get("stderr"),
        )
        for item in message.tool_returns
    ]


def result_message(call: dict[str, Any], result: ToolResult) -> Message:
    """Return the message of a call's result."""
    returned: dict[str, Any] = {
        "tool_call_id": call["id"],
        "status": "error" if result.is_error else "success",
        "func_response": result.text,
    }
    if result.stdout is not None:
        returned |= {"stdout": result.stdout, "stderr": result.stderr}
    return Message(
        id=new_id("message"),
        role=Role.TOOL,
        name=call["function"]["name"],
        tool_call_id=call["id"],
        content=[{"type": "text", "text": result.text}],
        tool_returns=[returned],
    )


def result_event(
    call: dict[str, Any], message: Message, result: ToolResult, step_id: str | None
) -> ToolReturnEvent:
    """Return the event of a call's result."""
    return ToolReturnEvent(
        message=message.pk,
        step=step_id,
        name=call["function"]["name"],
        call_id=call["id"],
        status="error" if result.is_error else "success",
        text=result.text,
        stdout=result.stdout,
        stderr=result.stderr,
    )
