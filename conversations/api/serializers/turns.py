"""The bodies of requests that start, follow, compact or cancel turns."""

from typing import Any

from rest_framework import serializers

from ...domain.conversations.messages import text_message
from ...domain.errors import InvalidArgument
from ...domain.runs.request import DEFAULT_MAX_STEPS, TurnRequest
from ...domain.turns.reply import MAX_REPLY_CALLS
from ...models import OnBusy
from ..shapes.messages import MESSAGE_TYPES
from .agents import IN_SETTINGS
from .fields import (
    OPTIONAL,
    Id,
    Input,
    StrictBoolean,
    StrictChoice,
    StrictInteger,
    StrictList,
    StrictObject,
    StrictString,
    check_length,
)

# Bounds how often one request calls the model.
MAX_STEPS = 200
# In one request or message.
MAX_MESSAGES = 1_000
MAX_PARTS = 1_000
MAX_LINES = 10_000
NO_LOGPROBS = "responses have no token ids and probabilities"


class ToolReturn(Input):
    """The result of a client tool."""

    type = StrictChoice(["tool"], required=False)
    tool_call_id = StrictString(allow_blank=False, max_length=200)
    tool_return = serializers.JSONField(help_text="A string, or an array of content parts.")
    status = StrictChoice(["success", "error"], default="success")
    stdout = StrictList(child=StrictString(), max_length=MAX_LINES, **OPTIONAL)
    stderr = StrictList(child=StrictString(), max_length=MAX_LINES, **OPTIONAL)

    def validate_tool_return(self, value: Any) -> str:
        return "".join(part["text"] for part in read_content(value) if part["type"] == "text")


class Approval(Input):
    """One answer to an approval request: a decision, or the result of a client tool."""

    type = StrictChoice(["approval", "tool"], default="approval")
    tool_call_id = StrictString(allow_blank=False, max_length=200)
    approve = StrictBoolean(required=False)
    reason = StrictString(**OPTIONAL)
    # Of type "tool"; `ToolReturn` validates them.
    tool_return = serializers.JSONField(required=False)
    status = StrictString(required=False)
    stdout = StrictList(child=StrictString(), max_length=MAX_LINES, **OPTIONAL)
    stderr = StrictList(child=StrictString(), max_length=MAX_LINES, **OPTIONAL)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, dict) and data.get("type") == "tool":
            serializer = ToolReturn(data=data)
            serializer.is_valid(raise_exception=True)
            return {**serializer.validated_data, "type": "tool"}
        answer: dict[str, Any] = super().to_internal_value(data)
        if "approve" not in answer:
            raise serializers.ValidationError({"approve": "field required"})
        return answer


class SentMessage(Input):
    """A message, the decision about tool calls (`type` approval), or their results (tool_return).

    `content` is a string or an array of parts: {"type": "text", "text"}, or
    {"type": "image", "source": {"type": "url", "url"} | {"type": "base64", "media_type", "data"}}.
    """

    type = StrictChoice(["message", "approval", "tool_return"], **OPTIONAL)
    role = StrictChoice(["user", "system", "assistant"], required=False)
    content = serializers.JSONField(required=False)
    otid = StrictString(**OPTIONAL, allow_blank=False, max_length=200)
    name = StrictString(**OPTIONAL, max_length=200)
    sender_id = StrictString(**OPTIONAL, max_length=200)
    group_id = StrictString(**OPTIONAL, max_length=200)
    approvals = StrictList(child=Approval(), max_length=MAX_REPLY_CALLS, **OPTIONAL)
    approve = StrictBoolean(**OPTIONAL, help_text="The older form of `approvals`.")
    approval_request_id = StrictString(**OPTIONAL)
    reason = StrictString(**OPTIONAL)
    tool_returns = StrictList(child=ToolReturn(), max_length=MAX_REPLY_CALLS, **OPTIONAL)

    def validate_content(self, value: Any) -> list[dict[str, Any]]:
        return read_content(value)

    def validate(self, message: dict[str, Any]) -> dict[str, Any]:
        kind = message.get("type") or "message"
        needed = {
            "message": ["role", "content"],
            "approval": [] if message.get("approve") is not None else ["approvals"],
            "tool_return": ["tool_returns"],
        }[kind]
        # An empty content is present, and refused below.
        missing = [
            name
            for name in needed
            if not message.get(name) and not (name == "content" and name in message)
        ]
        if missing:
            raise serializers.ValidationError(dict.fromkeys(missing, "field required"))
        if kind == "message" and message["role"] == "user":
            _check_not_empty(message["content"])
        return {**message, "type": kind}


def _check_not_empty(content: list[dict[str, Any]]) -> None:
    """Refuse a message of the user that says nothing, as V1 does."""
    if not any(part["type"] != "text" or part["text"] for part in content):
        raise InvalidArgument("content: expected a text or an image, got an empty message")


def read_content(value: Any) -> list[dict[str, Any]]:
    """Return a message's content as parts."""
    parts = [{"type": "text", "text": value}] if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise serializers.ValidationError("expected a string or an array of content parts")
    check_length(parts, MAX_PARTS)
    return [_read_part(part, index) for index, part in enumerate(parts)]


def _read_part(part: dict[str, Any], index: int) -> dict[str, Any]:
    if part.get("type", "text") == "text":
        if "text" not in part:
            raise serializers.ValidationError({str(index): {"text": "field required"}})
        return {"type": "text", "text": StrictString().run_validation(part.get("text"))}
    source = part.get("source")
    if part["type"] == "image" and isinstance(source, dict):
        kind = str(source.get("type", "url"))
        keys = {"url": ["url"], "base64": ["data", "media_type"]}.get(kind)
        if keys and all(isinstance(source.get(key), str) for key in keys):
            kept = {key: StrictString().run_validation(source[key]) for key in keys}
            return {"type": "image", "source": {"type": kind, **kept}}
    raise serializers.ValidationError(
        'expected {"type": "text", "text"} or {"type": "image", "source": {"type": "url", "url"} '
        'or {"type": "base64", "media_type", "data"}}'
    )


class ClientTool(Input):
    """A client tool: its call ends the turn, its result starts the next one."""

    name = StrictString(allow_blank=False, max_length=64)
    description = StrictString(**OPTIONAL)
    parameters = StrictObject(**OPTIONAL, help_text="A JSON schema.")


class SendBody(Input):
    """The body of POST …/messages."""

    ignored_fields = {
        "client_skills": "models are not told about skills",
        "callback_url": "nothing is called back; follow the run instead",
        "assistant_message_tool_name": "the tool is always send_message",
        "assistant_message_tool_kwarg": "the argument is always message",
        "enable_thinking": IN_SETTINGS,
        **dict.fromkeys(("return_logprobs", "top_logprobs", "return_token_ids"), NO_LOGPROBS),
    }

    messages = StrictList(child=SentMessage(), max_length=MAX_MESSAGES, **OPTIONAL)
    input = serializers.JSONField(**OPTIONAL, help_text="The content of one message of the user.")
    agent_id = Id("agent", **OPTIONAL)
    streaming = StrictBoolean(**OPTIONAL)
    stream_tokens = StrictBoolean(default=False)
    background = StrictBoolean(default=False)
    on_busy = StrictChoice(
        OnBusy.values,
        **OPTIONAL,
        help_text="While the conversation has an active turn: `reject` (409), `queue` behind it, "
        "or `interrupt` it and those queued. Default: the agent's, else `queue` for `background` "
        "messages and `reject` for others.",
    )
    include_pings = StrictBoolean(default=True)
    max_steps = StrictInteger(default=DEFAULT_MAX_STEPS, min_value=1, max_value=MAX_STEPS)
    override_model = StrictString(**OPTIONAL, allow_blank=False, max_length=200)
    override_system = StrictString(**OPTIONAL)
    client_tools = StrictList(child=ClientTool(), **OPTIONAL)
    include_return_message_types = StrictList(child=StrictChoice(MESSAGE_TYPES), **OPTIONAL)
    include_compaction_messages = StrictBoolean(default=False)
    use_assistant_message = StrictBoolean(
        default=True, help_text="Show calls of send_message as assistant messages."
    )

    def validate_input(self, value: Any) -> list[dict[str, Any]] | None:
        if value is None:
            return None
        content = read_content(value)
        _check_not_empty(content)
        return content

    def validate(self, body: dict[str, Any]) -> dict[str, Any]:
        messages = body.get("messages") or []
        if body.get("input") is not None:
            if messages:
                raise serializers.ValidationError("expected `messages` or `input`, got both")
            messages = [{"type": "message", "role": "user", "content": body["input"]}]
        if not messages:
            raise serializers.ValidationError("Messages must not be empty")
        names = [tool["name"] for tool in body.get("client_tools") or []]
        if len(set(names)) < len(names):
            raise serializers.ValidationError({"client_tools": "expected each name once"})
        return {**body, "messages": messages}


def turn_request(body: dict[str, Any]) -> TurnRequest:
    """Return the request of a validated `SendBody`."""
    sent: list[dict[str, Any]] = []
    decisions: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for message in body["messages"]:
        if message["type"] == "message":
            sent.append(
                {
                    name: message.get(name)
                    for name in ("role", "content", "otid", "name", "sender_id", "group_id")
                }
            )
            continue
        results += message.get("tool_returns") or []
        for approval in message.get("approvals") or []:
            (results if approval["type"] == "tool" else decisions).append(approval)
        if message.get("approve") is not None and not message.get("approvals"):
            decisions.append({**message, "tool_call_id": None})
    return TurnRequest(
        input=[*(_tool_message(answer) for answer in results), *sent],
        decisions=[
            {name: decision.get(name) for name in ("tool_call_id", "approve", "reason")}
            for decision in decisions
        ],
        max_steps=body["max_steps"],
        stream_tokens=body["stream_tokens"],
        model=body.get("override_model"),
        system=body.get("override_system"),
        client_tools=[dict(tool) for tool in body.get("client_tools") or []],
    )


def _tool_message(answer: dict[str, Any]) -> dict[str, Any]:
    text = answer["tool_return"]
    returned = {
        "tool_call_id": answer["tool_call_id"],
        "status": answer["status"],
        "func_response": text,
        "stdout": answer.get("stdout"),
        "stderr": answer.get("stderr"),
    }
    return {
        "role": "tool",
        "tool_call_id": answer["tool_call_id"],
        "content": [{"type": "text", "text": text}],
        "tool_returns": [returned],
    }


class GenerateBody(Input):
    """The body of POST /v1/agents/{id}/generate."""

    prompt = StrictString()
    system_prompt = StrictString(**OPTIONAL)
    override_model = StrictString(**OPTIONAL, allow_blank=False, max_length=200)
    response_schema = StrictObject(**OPTIONAL, help_text="The JSON schema of the reply.")

    def validate_prompt(self, value: str) -> str:
        if not value.strip():
            raise serializers.ValidationError("expected some text, got an empty string")
        return value


class CaptureBody(Input):
    """The body of POST /v1/agents/{id}/messages/capture."""

    provider = StrictString(max_length=100)
    model = StrictString(max_length=100)
    request_messages = StrictList(child=StrictObject(), max_length=MAX_MESSAGES)
    response_dict = StrictObject(help_text="Its `content` is the text of the reply.")

    def validate(self, body: dict[str, Any]) -> dict[str, Any]:
        handle = f"{body['provider']}/{body['model']}"[:200]
        messages = [
            text_message("user", text)
            for message in body["request_messages"]
            if message.get("role") == "user" and (text := _text_of(message.get("content")))
        ]
        if reply := _text_of(body["response_dict"].get("content")):
            messages.append(text_message("assistant", reply, model=handle))
        if not messages:
            raise serializers.ValidationError("expected a message of the user or a reply with text")
        return {"messages": messages}


def _text_of(content: Any) -> str:
    """Return the text of a provider's message: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


class StreamBody(Input):
    """The body of POST …/stream; every field is optional."""

    ignored_fields = dict.fromkeys(
        ("poll_interval", "batch_size"), "events are sent when they happen"
    )

    agent_id = Id("agent", **OPTIONAL)
    run_id = Id("run", **OPTIONAL)
    otid = StrictString(**OPTIONAL)
    starting_after = StrictInteger(
        default=0, min_value=0, help_text="The `seq_id` of the last event that the client has seen."
    )
    include_pings = StrictBoolean(**OPTIONAL)


class CompactBody(Input):
    """The body of POST …/compact; every field is optional."""

    agent_id = Id("agent", **OPTIONAL)
    compaction_settings = StrictObject(
        **OPTIONAL,
        help_text='{"mode": "all" | "sliding_window", "model", "prompt"}; the rest is ignored.',
    )

    def validate_compaction_settings(self, value: Any) -> dict[str, Any]:
        value = value or {}
        kept = {}
        for name, field in (
            ("mode", StrictChoice(["all", "sliding_window"])),
            ("model", StrictString(max_length=200)),
            ("prompt", StrictString()),
        ):
            if value.get(name) is not None:
                try:
                    kept[name] = field.run_validation(value[name])
                except serializers.ValidationError as error:
                    raise serializers.ValidationError({name: error.detail}) from None
        return kept


class CancelBody(Input):
    """The body of POST /v1/agents/{id}/messages/cancel."""

    run_ids = StrictList(child=Id("run"), **OPTIONAL)
