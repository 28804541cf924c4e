import json

from rest_framework import serializers

from ...domain.turns.reply import SPEAKING_TOOL
from ...models import Message
from ..http.pagination import PageQuery
from .fields import Choice, Flag, Id, Repeated, Text, WholeNumber

Role = Message.Role

MESSAGE_TYPES = [
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


class MessageSerializer(serializers.Serializer):
    """One message on the wire; `message_type` says which of the last fields it has."""

    id = serializers.CharField()
    date = serializers.CharField()
    name = serializers.CharField(allow_null=True)
    message_type = serializers.ChoiceField(MESSAGE_TYPES)
    otid = serializers.CharField(allow_null=True)
    sender_id = serializers.CharField(allow_null=True)
    step_id = serializers.CharField(allow_null=True)
    is_err = serializers.BooleanField(allow_null=True)
    seq_id = serializers.IntegerField(allow_null=True)
    run_id = serializers.CharField(allow_null=True)
    content = serializers.CharField(required=False)
    source = serializers.CharField(required=False)
    reasoning = serializers.CharField(required=False)
    signature = serializers.CharField(required=False, allow_null=True)
    tool_call = serializers.DictField(required=False)
    tool_calls = serializers.ListField(child=serializers.DictField(), required=False)
    tool_return = serializers.CharField(required=False)
    status = serializers.ChoiceField(["success", "error"], required=False)
    tool_call_id = serializers.CharField(required=False, allow_null=True)
    stdout = serializers.ListField(required=False, allow_null=True)
    stderr = serializers.ListField(required=False, allow_null=True)
    tool_returns = serializers.ListField(child=serializers.DictField(), required=False)
    summary = serializers.CharField(required=False)
    approvals = serializers.ListField(child=serializers.DictField(), required=False)


def represent_messages(
    messages: list[Message], types: list[str] | None = None, *, speech: bool = True
) -> list[dict]:
    """Stored messages on the wire. One may give several, with one id: reasoning, text, call.

    `speech` shows calls of send_message as what they say.
    """
    wire = [item for message in messages for item in represent_message(message, speech=speech)]
    return [item for item in wire if item["message_type"] in types] if types else wire


def represent_message(message: Message, *, speech: bool = True) -> list[dict]:
    items = list(_parts(message, speech))
    return [
        {
            "id": message.pk,
            "date": f"{message.created_at:%Y-%m-%dT%H:%M:%S}+00:00",
            "name": message.name,
            "message_type": item["message_type"],
            "otid": message.otid or _otid(message, index),
            "sender_id": message.sender_id,
            "step_id": message.step_id,
            "is_err": message.is_err,
            "seq_id": None,
            "run_id": message.run_id,
            **item,
        }
        for index, item in enumerate(items)
    ]


def _parts(message: Message, speech: bool):
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
        kind = "approval_request_message"
        yield {"message_type": kind, "tool_call": calls[0], "tool_calls": calls}
    else:
        # Only imported data has these; here an answer is stored as what the tool then returned.
        yield {"message_type": "approval_response_message", "approvals": []}


def _assistant(message: Message, speech: bool):
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
    spoken = [call for call in calls if speech and call["name"] == SPEAKING_TOOL]
    if others := [call for call in calls if call not in spoken]:
        yield {"message_type": "tool_call_message", "tool_call": others[0], "tool_calls": others}
    for call in spoken:
        yield {"message_type": "assistant_message", "content": speech_of(call["arguments"])}


def _calls(message: Message) -> list[dict]:
    return [
        {
            "name": call["function"]["name"],
            "arguments": call["function"]["arguments"],
            "tool_call_id": call["id"],
        }
        for call in message.tool_calls
    ]


def speech_of(arguments: str) -> str:
    """What a call of send_message says; the arguments themselves where they are broken."""
    try:
        return str(json.loads(arguments)["message"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return arguments


def _tool_return(message: Message) -> dict:
    returns = [
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
    first = {key: value for key, value in returns[0].items() if key != "type"}
    return {"message_type": "tool_return_message", **first, "tool_returns": returns}


def _otid(message: Message, index: int) -> str | None:
    """A message that the server made has its id as otid, with the last seven bits for the item."""
    if message.role in (Role.SYSTEM, Role.USER):
        return None
    return otid_of(message.pk, index)


def otid_of(message_id: str, index: int) -> str:
    uuid = message_id.removeprefix("message-")
    return f"{uuid[:-2]}{(int(uuid[-2:], 16) & 0x80) | index:02x}"


def represent_internal_message(message: Message) -> dict:
    """A message as a context window shows it: with its role and parts."""
    return {
        "id": message.pk,
        "agent_id": message.agent_id,
        "role": message.role,
        "content": message.content,
        "name": message.name,
        "model": message.model,
        "tool_calls": message.tool_calls or None,
        "tool_call_id": message.tool_call_id,
        "tool_returns": message.tool_returns,
        "step_id": message.step_id,
        "run_id": message.run_id,
        "otid": message.otid,
        "sender_id": message.sender_id,
        "group_id": message.group_id,
        "is_err": message.is_err,
        "created_at": message.created_at,
        "updated_at": message.updated_at,
        "created_by_id": message.created_by_id,
        "last_updated_by_id": message.last_updated_by_id,
    }


class ListMessagesQuery(PageQuery):
    """What every list of messages takes."""

    limit = WholeNumber(default=100, min_value=1, max_value=1000)
    include_return_message_types = Repeated(
        child=Choice(MESSAGE_TYPES), default=list, help_text="Only messages of these types."
    )
    group_id = Text(required=False)
    include_err = Flag(required=False, help_text="False leaves out messages of failed steps.")


class ConversationMessagesQuery(ListMessagesQuery):
    """The query of GET /v1/conversations/{id}/messages."""

    agent_id = Id("agent", required=False)


class MessagesQuery(ListMessagesQuery):
    """The query of the other lists of messages."""

    conversation_id = Text(
        required=False, help_text="`conv-…`, or `default` for the agent's own thread."
    )
