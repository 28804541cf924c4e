"""JSON of complete turns."""

from typing import Literal

from typing_extensions import TypedDict

from .fields import EmptyList
from .messages import MessageJSON


class CompactionJSON(TypedDict):
    """The result of a compaction."""

    summary: str
    num_messages_before: int
    num_messages_after: int


class StopReasonJSON(TypedDict):
    """Why a turn ended."""

    message_type: Literal["stop_reason"]
    stop_reason: str | None


class UsageJSON(TypedDict):
    """Tokens of a complete turn."""

    message_type: Literal["usage_statistics"]
    completion_tokens: int
    prompt_tokens: int
    total_tokens: int
    step_count: int
    run_ids: None
    cached_input_tokens: int | None
    cache_write_tokens: None
    reasoning_tokens: int | None
    context_tokens: int | None


class GeneratedJSON(TypedDict):
    """The reply of a model to a prompt alone."""

    content: str
    model: str
    usage: UsageJSON


class CapturedJSON(TypedDict):
    """How many messages were stored; no run is started."""

    success: Literal[True]
    messages_created: int
    run_ids: EmptyList


class LettaResponseJSON(TypedDict):
    """A complete turn, as the client's `LettaResponse` type reads it.

    With `streaming`, the same messages arrive one by one as server-sent events.
    """

    messages: list[MessageJSON]
    stop_reason: StopReasonJSON
    usage: UsageJSON
    logprobs: None
    turns: None
