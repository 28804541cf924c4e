"""What a model says in one step, put together from its pieces, and the events that tell of it."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ...ids import new_id
from ...llm.requests import (
    CallPiece,
    Finish,
    ModelError,
    Piece,
    ReasoningPiece,
    TextPiece,
    Usage,
)

# The tool by which V1's older agent types speak.
SPEAKING_TOOL = "send_message"
# Of a tool's name and of the id of a call, as messages hold them.
MAX_NAME_LENGTH = 200
# In characters: a server that never stops must not fill this one's memory.
MAX_ANSWER_LENGTH = 2_000_000


def now_text() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}+00:00"


@dataclass
class Reply:
    """One answer of the model.

    Calls in `held` are not run here: they go to the client, as a message of their own.
    """

    step_id: str
    held: frozenset[str] = frozenset()
    stream_tokens: bool = False
    message_id: str = field(default_factory=lambda: new_id("message"))
    held_message_id: str = field(default_factory=lambda: new_id("message"))
    finish_reason: str | None = None
    usage: Usage | None = None
    _reasoning: list[str] = field(default_factory=list)
    _text: list[str] = field(default_factory=list)
    _calls: list[dict] = field(default_factory=list)
    # The latest call of each number that pieces have, and the id that it came with.
    _latest: dict[int, tuple[str, dict]] = field(default_factory=dict)
    _size: int = 0
    _parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        return "".join(self._reasoning)

    @property
    def calls(self) -> list[dict]:
        """The calls to run here, in the shape they are stored in."""
        return [call for call in self._calls if call["function"]["name"] not in self.held]

    @property
    def held_calls(self) -> list[dict]:
        return [call for call in self._calls if call["function"]["name"] in self.held]

    def drop_calls(self) -> None:
        """Keep what was said; calls that may have been cut off in the middle are not made."""
        self._calls.clear()

    def add(self, piece: Piece) -> dict | None:
        """Take in a piece; the event to send at once, if pieces are sent.

        ModelError when the answer is longer than any should be.
        """
        if isinstance(piece, CallPiece):
            self._size += len(piece.name) + len(piece.arguments)
        elif isinstance(piece, TextPiece | ReasoningPiece):
            self._size += len(piece.text)
        if self._size > MAX_ANSWER_LENGTH:
            detail = f"The answer is longer than {MAX_ANSWER_LENGTH} characters"
            message = "An error occurred with the LLM request."
            raise ModelError("llm_error", message, detail, status=500)
        if isinstance(piece, TextPiece):
            self._text.append(piece.text)
            return self._event("text", text=piece.text)
        if isinstance(piece, ReasoningPiece):
            self._reasoning.append(piece.text)
            return self._event("reasoning", text=piece.text)
        if isinstance(piece, CallPiece):
            return self._add_call(piece)
        if isinstance(piece, Finish):
            self.finish_reason = piece.reason
        elif isinstance(piece, Usage):
            self.usage = piece
        return None

    def _add_call(self, piece: CallPiece) -> dict | None:
        call = self._call_of(piece)
        function = call["function"]
        function["name"] = (function["name"] + piece.name)[:MAX_NAME_LENGTH]
        function["arguments"] += piece.arguments
        name = function["name"]
        if name == SPEAKING_TOOL:
            return None  # Its text is told when the arguments are whole.
        kind = "approval_request" if name in self.held else "tool_call"
        shown = {"id": call["id"], "name": piece.name, "arguments": piece.arguments}
        return self._event(kind, calls=[shown], is_piece=True)

    def _call_of(self, piece: CallPiece) -> dict:
        """The call that a piece belongs to, which may begin with it."""
        given_id, call = self._latest.get(piece.index, ("", None))
        # Some servers number every call 0: then another id, or a name after arguments, begins one.
        is_another = call is not None and (
            (piece.id and given_id and piece.id != given_id)
            or (piece.name and call["function"]["arguments"])
        )
        if call is None or is_another:
            call = {
                "id": self._free_id(piece.id),
                "type": "function",
                "function": {"name": "", "arguments": ""},
            }
            self._calls.append(call)
            self._latest[piece.index] = (piece.id, call)
        return call

    def _free_id(self, wished: str) -> str:
        """Results are told apart by the ids of calls; small models write the same one twice."""
        is_taken = any(call["id"] == wished for call in self._calls)
        if not wished or is_taken or len(wished) > MAX_NAME_LENGTH:
            return f"call_{secrets.token_hex(12)}"
        return wished

    def _event(self, kind: str, **fields) -> dict | None:
        if not self.stream_tokens:
            return None
        return self._told(kind, **fields)

    def _told(self, kind: str, **fields) -> dict:
        message = self.held_message_id if kind == "approval_request" else self.message_id
        if kind not in self._parts:
            self._parts.append(kind)
        index = 0 if kind == "approval_request" else self._parts.index(kind)
        return {
            "type": kind,
            "message": message,
            "step": self.step_id,
            "index": index,
            "at": now_text(),
            **fields,
        }

    def whole_events(self) -> list[dict]:
        """What is left to tell when the answer is whole: all of it, unless pieces were sent."""
        events = []
        if not self.stream_tokens:
            if self.reasoning:
                events.append(self._told("reasoning", text=self.reasoning))
            if self.text:
                events.append(self._told("text", text=self.text))
        speaking: list[dict] = []
        others: list[dict] = []
        for call in self.calls:
            is_speech = call["function"]["name"] == SPEAKING_TOOL
            (speaking if is_speech else others).append(call)
        shown = speaking if self.stream_tokens else [*others, *speaking]
        if shown:
            events.append(self._told("tool_call", calls=[_shown(call) for call in shown]))
        if self.held_calls and not self.stream_tokens:
            calls = [_shown(call) for call in self.held_calls]
            events.append(self._told("approval_request", calls=calls))
        return events


def _shown(call: dict) -> dict:
    function = call["function"]
    return {"id": call["id"], "name": function["name"], "arguments": function["arguments"]}
