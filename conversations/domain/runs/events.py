"""The events of a run: their types, their numbers and their storage.

Events are stored as JSON: the fields of the class, and its `kind` under the key `type`. The API
gives them the shapes of V1 (`api/shapes/events.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TypedDict, cast

from django.db import IntegrityError, transaction
from django.db.models import Max

from ...models import Run, RunEvent


def now_text() -> str:
    """Return the current time as V1 writes it: UTC, in whole seconds."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}+00:00"


class ToolCall(TypedDict):
    """A tool call, or a chunk of one, as events carry it. `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


class RunUsage(TypedDict, total=False):
    """The tokens of a run. Empty if no model was called; None where the provider does not say."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_input_tokens: int | None
    reasoning_tokens: int | None
    step_count: int
    context_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEvent:
    """What events about a message share: its id, its step, the part's index and the time."""

    message: str
    step: str | None = None
    index: int = 0
    at: str = field(default_factory=now_text)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEvent(MessageEvent):
    """Text of the assistant: a chunk, or all of it."""

    kind: Literal["text"] = "text"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningEvent(MessageEvent):
    """Reasoning of the model: a chunk, or all of it."""

    kind: Literal["reasoning"] = "reasoning"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallEvent(MessageEvent):
    """Tool calls that the server runs: complete ones, or one chunk (stored as `is_piece`)."""

    kind: Literal["tool_call"] = "tool_call"
    calls: list[ToolCall]
    is_piece: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequestEvent(MessageEvent):
    """Tool calls that await the client: complete ones, or one chunk (stored as `is_piece`)."""

    kind: Literal["approval_request"] = "approval_request"
    calls: list[ToolCall]
    is_piece: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolReturnEvent(MessageEvent):
    """The result of one tool call, and what the tool printed, if it can print.

    Without a `name` it is the client's.
    """

    kind: Literal["tool_return"] = "tool_return"
    name: str | None
    call_id: str
    status: Literal["success", "error"]
    text: str
    stdout: list[str] | None = None
    stderr: list[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryEvent(MessageEvent):
    """A compaction: the summary, and how many messages are in context before and after it."""

    kind: Literal["summary"] = "summary"
    text: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class StopEvent:
    """The run is over: the reason for it."""

    reason: str
    kind: Literal["stop"] = "stop"


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """The tokens of a completed run. Stored flat, beside `type`."""

    usage: RunUsage
    kind: Literal["usage"] = "usage"


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """Why a run failed; in how many seconds the provider wants the next request, if it says so."""

    error_type: str
    text: str
    detail: str
    retry_after: float | None = None
    kind: Literal["error"] = "error"


@dataclass(frozen=True, slots=True)
class ResumeEvent:
    """The run waits for another worker, because attempt number `attempt` did not finish it.

    What follows repeats the unfinished step. Its number fences the lost worker: that can't store
    further events, because it does not know of this one.
    """

    attempt: int
    kind: Literal["resume"] = "resume"


Event = (
    TextEvent
    | ReasoningEvent
    | ToolCallEvent
    | ApprovalRequestEvent
    | ToolReturnEvent
    | SummaryEvent
    | StopEvent
    | UsageEvent
    | ErrorEvent
    | ResumeEvent
)

_CLASSES: dict[str, Any] = {
    "text": TextEvent,
    "reasoning": ReasoningEvent,
    "tool_call": ToolCallEvent,
    "approval_request": ApprovalRequestEvent,
    "tool_return": ToolReturnEvent,
    "summary": SummaryEvent,
    "stop": StopEvent,
    "error": ErrorEvent,
    "resume": ResumeEvent,
}
_FIELDS = {
    kind: [each.name for each in fields(event_class) if each.name != "kind"]
    for kind, event_class in _CLASSES.items()
}


def to_json(event: Event) -> dict[str, Any]:
    """Return the JSON object that is stored for an event."""
    if isinstance(event, UsageEvent):
        return {"type": event.kind, **event.usage}
    values = {name: getattr(event, name) for name in _FIELDS[event.kind]}
    if values.get("is_piece") is False:
        del values["is_piece"]
    return {"type": event.kind, **values}


def from_json(data: dict[str, Any]) -> Event:
    """Return the event that a stored JSON object describes."""
    kind = data["type"]
    if kind == "usage":
        return UsageEvent(
            cast(RunUsage, {name: value for name, value in data.items() if name != "type"})
        )
    known = {name: data[name] for name in _FIELDS[kind] if name in data}
    return cast(Event, _CLASSES[kind](**known))


class NumberedEvent(NamedTuple):
    """An event with its run and its number, which counts from 1 without gaps."""

    run_id: str
    seq: int
    event: Event


class EventSequence:
    """Numbers the events of one run."""

    def __init__(self, run_id: str, last: int = 0):
        self.run_id, self.last = run_id, last

    def number(self, events: Iterable[Event]) -> list[NumberedEvent]:
        """Give each event the next number."""
        numbered = [
            NumberedEvent(self.run_id, seq, event)
            for seq, event in enumerate(events, self.last + 1)
        ]
        self.last += len(numbered)
        return numbered


class RunLost(Exception):
    """This worker no longer owns the run: it was finished, requeued or deleted."""


class EventPage(NamedTuple):
    """Stored events in order, whether the run stores no more after them, or has not begun."""

    events: list[NumberedEvent]
    is_over: bool
    is_queued: bool


def stored_events(run_id: str, *, after: int = 0) -> EventPage:
    """Return the stored events of a run with numbers beyond `after`."""
    # In this order: if the run is over now, all its events are visible to the next query.
    status = Run.objects.filter(pk=run_id).values_list("status", flat=True).first()
    rows = RunEvent.objects.filter(run=run_id, seq__gt=after).order_by("seq")
    events = [
        NumberedEvent(run_id, seq, from_json(data)) for seq, data in rows.values_list("seq", "data")
    ]
    is_over = status not in Run.UNFINISHED
    return EventPage(events, is_over, is_queued=status == Run.Status.QUEUED)


def insert_events(events: Iterable[NumberedEvent]) -> None:
    """Store events of any runs in one statement, all of them or none.

    Raises IntegrityError if a number is taken: a worker that lost its run collides with the last
    events that another process stored for it.
    """
    RunEvent.objects.bulk_create(
        RunEvent(run_id=event.run_id, seq=event.seq, data=to_json(event.event)) for event in events
    )


def append_events(run_id: str, events: Sequence[Event]) -> list[NumberedEvent]:
    """Store events after the newest one, while the run's worker may be storing others."""
    while True:
        last = RunEvent.objects.filter(run=run_id).aggregate(n=Max("seq"))["n"] or 0
        numbered = EventSequence(run_id, last).number(events)
        try:
            with transaction.atomic():
                insert_events(numbered)
        except IntegrityError:
            continue
        return numbered
