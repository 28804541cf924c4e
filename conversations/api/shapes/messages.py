"""JSON of messages and of search results."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal, NotRequired, get_args

from pydantic import Field
from typing_extensions import TypedDict

from ...domain.turns.reply import SEND_MESSAGE_TOOL
from ...models import ConversationMessage, Message
from .fields import JSONObject, attributes, one_of

Role = Message.Role
ROLES = Role.values
MessageType = Literal[
    "system_message",
    "user_message",
    "assistant_message",
    "reasoning_message",
    "hidden_reasoning_message",
    "tool_call_message",
    "tool_return_message",
    "summary_message",
    "event_message",
    "approval_request_message",
    "approval_response_message",
]
MESSAGE_TYPES = list(get_args(MessageType))
ToolStatus = Annotated[str, one_of(["success", "error"])]


class ToolCallJSON(TypedDict):
    """A call of a tool; `arguments` is JSON text."""

    name: str
    arguments: str
    tool_call_id: str


class ToolReturnJSON(TypedDict):
    """The result of a tool call."""

    type: str
    tool_return: str
    status: ToolStatus
    tool_call_id: str | None
    stdout: list[str] | None
    stderr: list[str] | None


class DecisionJSON(TypedDict):
    """The client's decision about a tool call."""

    type: Literal["approval"]
    tool_call_id: str | None
    approve: bool
    reason: str | None


class MessageContent(TypedDict):
    """The fields of a message that depend on its `message_type`."""

    message_type: MessageType
    content: NotRequired[str]
    source: NotRequired[str]
    reasoning: NotRequired[str]
    signature: NotRequired[str | None]
    tool_call: NotRequired[ToolCallJSON]
    tool_calls: NotRequired[list[ToolCallJSON]]
    tool_return: NotRequired[str]
    status: NotRequired[ToolStatus]
    tool_call_id: NotRequired[str | None]
    stdout: NotRequired[list[str] | None]
    stderr: NotRequired[list[str] | None]
    tool_returns: NotRequired[list[ToolReturnJSON]]
    summary: NotRequired[str]
    approvals: NotRequired[list[DecisionJSON]]
    approve: NotRequired[bool | None]
    approval_request_id: NotRequired[str | None]
    reason: NotRequired[str | None]


class MessageJSON(MessageContent):
    """A message; `message_type` determines which of the optional fields it has."""

    id: str
    date: str
    name: str | None
    otid: str | None
    sender_id: str | None
    step_id: str | None
    is_err: bool | None
    seq_id: Annotated[int | None, Field(description="Position in the event stream, if streamed.")]
    run_id: str | None


class StoredMessageAttributes(TypedDict):
    """What a message stores."""

    id: str
    agent_id: str
    role: Annotated[str, one_of(ROLES)]
    content: list[JSONObject]
    name: str | None
    model: str | None
    tool_call_id: str | None
    tool_returns: list[JSONObject]
    step_id: str | None
    run_id: str | None
    otid: str | None
    sender_id: str | None
    group_id: str | None
    is_err: bool | None
    created_at: datetime
    updated_at: datetime
    created_by_id: str | None
    last_updated_by_id: str | None


class StoredMessageJSON(StoredMessageAttributes):
    """A message as it is stored: with its role and parts."""

    tool_calls: list[JSONObject] | None


def messages_json(
    messages: list[Message], types: list[str] | None = None, *, speech: bool = True
) -> list[MessageJSON]:
    """Return the JSON of stored messages.

    One stored message can yield several with the same id: reasoning, text and tool calls.

    Args:
        messages: The stored messages.
        types: The message types to keep; None or an empty list keeps all.
        speech: Whether calls of `send_message` become assistant messages.
    """
    result = [item for message in messages for item in message_json(message, speech=speech)]
    return [item for item in result if item["message_type"] in types] if types else result


def message_json(message: Message, *, speech: bool = True) -> list[MessageJSON]:
    """Return the JSON of one stored message."""
    return [
        {
            "id": message.pk,
            "date": f"{message.created_at:%Y-%m-%dT%H:%M:%S}+00:00",
            "name": message.name,
            "message_type": content["message_type"],
            "otid": message.otid or _otid(message, index),
            "sender_id": message.sender_id,
            "step_id": message.step_id,
            "is_err": message.is_err,
            "seq_id": None,
            "run_id": message.run_id,
            **content,
        }
        for index, content in enumerate(_contents(message, speech))
    ]


def _contents(message: Message, speech: bool) -> Iterator[MessageContent]:
    if message.role == Role.SYSTEM:
        yield {"message_type": "system_message", "content": message.text}
    elif message.role == Role.USER:
        yield {"message_type": "user_message", "content": message.text}
    elif message.role == Role.SUMMARY:
        yield {"message_type": "summary_message", "summary": message.text}
    elif message.role == Role.TOOL:
        yield _tool_return(message)
    elif message.role == Role.ASSISTANT:
        yield from _assistant(message, speech)
    elif message.tool_calls:
        calls = _calls(message)
        yield {
            "message_type": "approval_request_message",
            "tool_call": calls[0],
            "tool_calls": calls,
        }
    else:
        yield _approval_response(message)


def _assistant(message: Message, speech: bool) -> Iterator[MessageContent]:
    for part in message.content:
        if part["type"] == "reasoning":
            yield {
                "message_type": "reasoning_message",
                "source": part.get("source", "reasoner_model"),
                "reasoning": part.get("reasoning", ""),
                "signature": part.get("signature"),
            }
    if message.text:
        yield {"message_type": "assistant_message", "content": message.text}
    calls = _calls(message)
    spoken = [call for call in calls if speech and call["name"] == SEND_MESSAGE_TOOL]
    if others := [call for call in calls if call not in spoken]:
        yield {"message_type": "tool_call_message", "tool_call": others[0], "tool_calls": others}
    for call in spoken:
        yield {"message_type": "assistant_message", "content": speech_of(call["arguments"])}


def _approval_response(message: Message) -> MessageContent:
    """Return the content of a message with decisions; V1 repeats the first one beside them."""
    decisions: list[DecisionJSON] = [
        {
            "type": "approval",
            "tool_call_id": part.get("tool_call_id"),
            "approve": bool(part.get("approve")),
            "reason": part.get("reason"),
        }
        for part in message.content
        if part["type"] == "approval"
    ]
    content: MessageContent = {
        "message_type": "approval_response_message",
        "approvals": decisions,
        "approve": None,
        "approval_request_id": None,
        "reason": None,
    }
    if decisions:
        first = decisions[0]
        content["approve"], content["reason"] = first["approve"], first["reason"]
        content["approval_request_id"] = first["tool_call_id"]
    return content


def _calls(message: Message) -> list[ToolCallJSON]:
    return [
        {
            "name": call["function"]["name"],
            "arguments": call["function"]["arguments"],
            "tool_call_id": call["id"],
        }
        for call in message.tool_calls
    ]


def speech_of(arguments: str) -> str:
    """Return the text of a `send_message` call, or its arguments if they are malformed."""
    try:
        return str(json.loads(arguments)["message"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return arguments


def _tool_return(message: Message) -> MessageContent:
    returns: list[ToolReturnJSON] = [
        {
            "type": "tool",
            "tool_return": item.get("func_response") or "",
            "status": item.get("status", "success"),
            "tool_call_id": item.get("tool_call_id") or message.tool_call_id,
            "stdout": item.get("stdout"),
            "stderr": item.get("stderr"),
        }
        for item in message.tool_returns
    ] or [
        {
            "type": "tool",
            "tool_return": message.text,
            "status": "error" if message.is_err else "success",
            "tool_call_id": message.tool_call_id,
            "stdout": None,
            "stderr": None,
        }
    ]
    return tool_return_content(returns)


def tool_return_content(returns: list[ToolReturnJSON]) -> MessageContent:
    """Return the content of a message with tool results; V1 repeats the first one beside them."""
    first = returns[0]
    return {
        "message_type": "tool_return_message",
        "tool_return": first["tool_return"],
        "status": first["status"],
        "tool_call_id": first["tool_call_id"],
        "stdout": first["stdout"],
        "stderr": first["stderr"],
        "tool_returns": returns,
    }


def _otid(message: Message, index: int) -> str | None:
    is_decision = message.role == Role.APPROVAL and not message.tool_calls
    if is_decision or message.role in (Role.SYSTEM, Role.USER):
        return None
    return otid_of(message.pk, index)


def otid_of(message_id: str, index: int) -> str:
    """Return the otid of a message that the server made: its id, ending in the item's index.

    The last seven bits of the id hold the index, as in V1.
    """
    uuid = message_id.removeprefix("message-")
    return f"{uuid[:-2]}{(int(uuid[-2:], 16) & 0x80) | index:02x}"


def stored_message_json(message: Message) -> StoredMessageJSON:
    """Return a message as a context window shows it."""
    return {
        **attributes(StoredMessageAttributes, message),
        "tool_calls": message.tool_calls or None,
    }


class FoundMessageJSON(TypedDict):
    """A message that matches a search, as the client's `MessageSearchResponse` reads it."""

    message_id: str
    message_type: MessageType
    content: str
    agent_id: str
    conversation_id: Annotated[str, Field(description="The first conversation that contains it.")]
    created_at: datetime


def found_messages_json(messages: list[Message]) -> list[FoundMessageJSON]:
    """Return the JSON of found messages, in one query."""
    links = ConversationMessage.objects.filter(
        message__in=messages, conversation__deleted_at=None, conversation__agent__deleted_at=None
    ).order_by("-id")
    conversations = dict(links.values_list("message_id", "conversation_id"))
    found: list[FoundMessageJSON] = []
    for message in messages:
        for item in message_json(message):
            text = item.get("content") or item.get("summary") or item.get("tool_return")
            if text is None:
                continue
            found.append(
                {
                    "message_id": message.pk,
                    "message_type": item["message_type"],
                    "content": text,
                    "agent_id": message.agent_id,
                    "conversation_id": conversations[message.pk],
                    "created_at": message.created_at,
                }
            )
    return found
