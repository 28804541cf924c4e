"""What a model is asked, and the chunks in which it replies."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ModelRequest:
    """One call of a model.

    `messages` and `tools` have the shapes of OpenAI's chat completions; `settings` are further
    fields of the request. `fallback` is the handle of the model that replies while the other fails.
    """

    handle: str
    messages: list[dict[str, Any]]
    fallback: str | None = None
    tools: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Begin:
    """The beginning of a reply: the handle of the model that replies."""

    handle: str


@dataclass(frozen=True)
class TextChunk:
    """Part of the text."""

    text: str


@dataclass(frozen=True)
class ReasoningChunk:
    """Part of the reasoning."""

    text: str


@dataclass(frozen=True)
class CallChunk:
    """Part of the tool call number `index`; the first part has the id and the name."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True)
class Usage:
    """Tokens as the provider counts them; None where it does not say."""

    prompt_tokens: int
    completion_tokens: int
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True)
class Finish:
    """The end of a reply: OpenAI's `finish_reason`."""

    reason: str


Chunk = Begin | TextChunk | ReasoningChunk | CallChunk | Usage | Finish
