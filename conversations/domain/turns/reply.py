"""The model's reply in one step, assembled from its chunks, and the events of it."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...ids import new_id
from ...llm.errors import ModelError
from ...llm.requests import (
    Begin,
    CallChunk,
    Chunk,
    Finish,
    ReasoningChunk,
    TextChunk,
    Usage,
)
from ..runs.events import (
    ApprovalRequestEvent,
    Event,
    ReasoningEvent,
    TextEvent,
    ToolCall,
    ToolCallEvent,
)

# The tool by which V1's older agent types reply.
SEND_MESSAGE_TOOL = "send_message"
# Of the names of tools and the ids of calls, in characters.
MAX_NAME_LENGTH = 200
# In characters: bounds the memory that a provider without an end can fill.
MAX_REPLY_LENGTH = 2_000_000
MAX_REPLY_CALLS = 1_000


@dataclass
class ModelReply:
    """One reply of the model.

    Calls of `client_tools` are not run by the server: the client runs or approves them, and they
    form a message of their own.
    """

    step_id: str
    client_tools: frozenset[str] = frozenset()
    stream_tokens: bool = False
    message_id: str = field(default_factory=lambda: new_id("message"))
    approval_message_id: str = field(default_factory=lambda: new_id("message"))
    # The handle of the model that replies; empty before the first byte.
    model: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    # Nanoseconds until the end of the reply, and of the calls that leave the database.
    model_ns: int | None = None
    tools_ns: int | None = None
    _reasoning: list[str] = field(default_factory=list)
    _text: list[str] = field(default_factory=list)
    _calls: list[dict[str, Any]] = field(default_factory=list)
    # By the index in the chunks: the id given by the provider, and the newest call.
    _latest: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    _size: int = 0
    _is_announced: bool = False
    # The kinds of parts of the message, in the order in which they appeared.
    _parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The whole text so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """The whole reasoning so far."""
        return "".join(self._reasoning)

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The calls that the server runs, in their stored shape."""
        return [call for call in self._calls if call["function"]["name"] not in self.client_tools]

    @property
    def calls_awaiting_client(self) -> list[dict[str, Any]]:
        """The calls that the client runs or approves, in their stored shape."""
        return [call for call in self._calls if call["function"]["name"] in self.client_tools]

    def drop_calls(self) -> None:
        """Discard the calls, which may be incomplete; keep the text and the reasoning."""
        self._calls.clear()

    def add(self, chunk: Chunk) -> Event | None:
        """Add a chunk; return its event if tokens are streamed.

        Raises ModelError if the reply exceeds MAX_REPLY_LENGTH or MAX_REPLY_CALLS.
        """
        if isinstance(chunk, CallChunk):
            self._size += len(chunk.name) + len(chunk.arguments)
        elif isinstance(chunk, TextChunk | ReasoningChunk):
            self._size += len(chunk.text)
        if self._size > MAX_REPLY_LENGTH:
            raise ModelError("llm_error", f"The reply is longer than {MAX_REPLY_LENGTH} characters")
        event: Event | None = None
        if isinstance(chunk, TextChunk):
            self._text.append(chunk.text)
            event = self._text_event(chunk.text)
        elif isinstance(chunk, ReasoningChunk):
            self._reasoning.append(chunk.text)
            event = self._reasoning_event(chunk.text)
        elif isinstance(chunk, CallChunk):
            event = self._add_call(chunk)
        elif isinstance(chunk, Finish):
            self.finish_reason = chunk.reason
        elif isinstance(chunk, Begin):
            self.model = chunk.handle
        else:
            self.usage = chunk
        return event if self.stream_tokens else None

    def _add_call(self, chunk: CallChunk) -> Event | None:
        call = self._call_of(chunk)
        function = call["function"]
        function["name"] = (function["name"] + chunk.name)[:MAX_NAME_LENGTH]
        function["arguments"] += chunk.arguments
        name = function["name"]
        if name == SEND_MESSAGE_TOOL:
            return None  # Its text can be shown only when the arguments are complete.
        shown = ToolCall(id=call["id"], name=chunk.name, arguments=chunk.arguments)
        if name in self.client_tools:
            return self._approval_event([shown], is_piece=True)
        return self._call_event([shown], is_piece=True)

    def _call_of(self, chunk: CallChunk) -> dict[str, Any]:
        given_id, call = self._latest.get(chunk.index, ("", None))
        # Some servers give every call the index 0: then a new id, or a name after arguments,
        # starts the next call.
        is_next = call is not None and (
            (chunk.id and given_id and chunk.id != given_id)
            or (chunk.name and call["function"]["arguments"])
        )
        if call is None or is_next:
            call = {
                "id": self._unique_id(chunk.id),
                "type": "function",
                "function": {"name": "", "arguments": ""},
            }
            if len(self._calls) == MAX_REPLY_CALLS:
                detail = f"The reply has more than {MAX_REPLY_CALLS} tool calls"
                raise ModelError("llm_error", detail)
            self._calls.append(call)
            self._latest[chunk.index] = (chunk.id, call)
        return call

    def _unique_id(self, given: str) -> str:
        # Small models repeat ids, and results refer to calls by them.
        is_taken = any(call["id"] == given for call in self._calls)
        if not given or is_taken or len(given) > MAX_NAME_LENGTH:
            return f"call_{secrets.token_hex(12)}"
        return given

    def _index_of(self, kind: str) -> int:
        if kind not in self._parts:
            self._parts.append(kind)
        return self._parts.index(kind)

    def _text_event(self, text: str) -> TextEvent:
        return TextEvent(
            message=self.message_id, step=self.step_id, index=self._index_of("text"), text=text
        )

    def _reasoning_event(self, text: str) -> ReasoningEvent:
        return ReasoningEvent(
            message=self.message_id, step=self.step_id, index=self._index_of("reasoning"), text=text
        )

    def _call_event(self, calls: list[ToolCall], *, is_piece: bool = False) -> ToolCallEvent:
        return ToolCallEvent(
            message=self.message_id,
            step=self.step_id,
            index=self._index_of("tool_call"),
            calls=calls,
            is_piece=is_piece,
        )

    def _approval_event(
        self, calls: list[ToolCall], *, is_piece: bool = False
    ) -> ApprovalRequestEvent:
        return ApprovalRequestEvent(
            message=self.approval_message_id, step=self.step_id, calls=calls, is_piece=is_piece
        )

    def set_arguments(self, arguments_for: Callable[[str], dict[str, Any]]) -> None:
        """Set the arguments that the tool rules determine, whatever the model wrote for them."""
        for call in self._calls[:1]:
            function = call["function"]
            if given := arguments_for(function["name"]):
                try:
                    arguments = json.loads(function["arguments"] or "{}")
                except (ValueError, RecursionError):
                    continue
                if isinstance(arguments, dict):
                    function["arguments"] = json.dumps(arguments | given, ensure_ascii=False)

    def announce(self) -> list[Event]:
        """Return the events of a complete reply before its calls run; they are final then."""
        events = self.final_events()
        self._is_announced = True
        return events

    def final_events(self) -> list[Event]:
        """Return the events of a complete reply, except those that were returned before."""
        if self._is_announced:
            return []
        events: list[Event] = []
        if not self.stream_tokens:
            if self.reasoning:
                events.append(self._reasoning_event(self.reasoning))
            if self.text:
                events.append(self._text_event(self.text))
        sent: list[ToolCall] = []
        others: list[ToolCall] = []
        for call in self.calls:
            is_sent = call["function"]["name"] == SEND_MESSAGE_TOOL
            (sent if is_sent else others).append(_shown(call))
        calls = sent if self.stream_tokens else [*others, *sent]
        if calls:
            events.append(self._call_event(calls))
        if self.calls_awaiting_client and not self.stream_tokens:
            calls = [_shown(call) for call in self.calls_awaiting_client]
            events.append(self._approval_event(calls))
        return events


def _shown(call: dict[str, Any]) -> ToolCall:
    function = call["function"]
    return ToolCall(id=call["id"], name=function["name"], arguments=function["arguments"])
