"""What a turn is asked."""

import hashlib
import json
from dataclasses import dataclass, field, fields
from typing import Any

from ...ids import new_id
from ...models import Message, Run

DEFAULT_MAX_STEPS = 50


@dataclass(frozen=True)
class TurnRequest:
    """What a turn is asked; stored as JSON in the run until the run completes.

    `input` holds the messages sent: {"role", "content": [part…], "otid", "name", "sender_id",
    "group_id"}; the result of a client tool has the role `tool` and `tool_returns`.
    `decisions` answer an approval request: [{"tool_call_id", "approve", "reason"}].
    `compaction` makes the run only compact the conversation: {"mode", "model", "prompt"}.
    """

    input: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    max_steps: int = DEFAULT_MAX_STEPS
    stream_tokens: bool = False
    model: str | None = None
    system: str | None = None
    client_tools: list[dict[str, Any]] = field(default_factory=list)
    compaction: dict[str, Any] | None = None

    @classmethod
    def of(cls, run: Run) -> "TurnRequest":
        """Return the request stored in a run."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in run.request.items() if name in known})

    @property
    def digest(self) -> str:
        """A SHA-256 of what is asked, independent of how the answer is delivered."""
        text = json.dumps([self.input, self.decisions, self.compaction], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def can_be_queued(self) -> bool:
        """Whether it only sends messages: answers belong to the calls that await the client now."""
        has_results = any(message.get("tool_returns") for message in self.input)
        return not self.decisions and not has_results and self.compaction is None

    def messages(self) -> list[Message]:
        """Return the messages sent, unsaved."""
        return [_message(given) for given in self.input]


def _message(given: dict[str, Any]) -> Message:
    fields = {name: given.get(name) for name in ("otid", "name", "sender_id", "group_id")}
    return Message(
        id=new_id("message"),
        role=given["role"],
        content=given.get("content") or [],
        tool_returns=given.get("tool_returns") or [],
        tool_call_id=given.get("tool_call_id"),
        **fields,
    )
