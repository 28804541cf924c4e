"""What a model is asked, and the pieces in which it answers."""

from dataclasses import dataclass, field

from ..text import replace_unstorable

MAX_DETAIL_LENGTH = 2_000


@dataclass(frozen=True)
class ModelRequest:
    """One call of a model, as OpenAI's chat completions take it.

    `messages` and `tools` have that API's shape; `settings` are further fields of its request.
    """

    handle: str
    messages: list[dict]
    tools: list[dict] = field(default_factory=list)
    settings: dict = field(default_factory=dict)


@dataclass(frozen=True)
class TextPiece:
    text: str


@dataclass(frozen=True)
class ReasoningPiece:
    text: str


@dataclass(frozen=True)
class CallPiece:
    """Part of a tool call: `index` tells calls apart; the name and id come with its first piece."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True)
class Usage:
    """Tokens, as the provider counts them. None where it does not say."""

    prompt_tokens: int
    completion_tokens: int
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True)
class Finish:
    """The end of an answer: why the model stopped, in OpenAI's words."""

    reason: str


Piece = TextPiece | ReasoningPiece | CallPiece | Usage | Finish


class ModelError(Exception):
    """A provider refused, failed or fell silent.

    `type`, `message` and `status` are what V1's clients know such errors by. `detail` is the
    provider's, of which the beginning is kept: it may be a whole page.
    """

    def __init__(self, type: str, message: str, detail: str, *, status: int):
        self.type = type
        self.message = message
        self.detail = replace_unstorable(detail[:MAX_DETAIL_LENGTH])
        self.status = status
        super().__init__(f"{message} {self.detail}")

    @property
    def is_context_overflow(self) -> bool:
        return self.type == "context_window_exceeded"


class UnknownModel(Exception):
    """No provider answers for this handle; `known` are the ones there are."""

    def __init__(self, handle: str, known: list[str]):
        self.handle = handle
        self.known = known
        super().__init__(handle)
