"""What goes wrong when a model is called."""

from typing import Literal, NamedTuple

MAX_CAUSE_LENGTH = 2_000

ModelErrorType = Literal[
    "llm_authentication",
    "llm_bad_request",
    "llm_connection_error",
    "llm_error",
    "llm_insufficient_credits",
    "llm_not_found",
    "llm_permission_denied",
    "llm_rate_limit",
    "llm_timeout",
    "context_window_exceeded",
]


class ModelErrorKind(NamedTuple):
    """What clients of V1 read of an error: its text, and its HTTP status."""

    message: str
    status: int


MODEL_ERRORS: dict[ModelErrorType, ModelErrorKind] = {
    "llm_authentication": ModelErrorKind("Authentication failed with the LLM model provider.", 401),
    "llm_bad_request": ModelErrorKind("The request to the LLM model provider was invalid.", 400),
    "llm_connection_error": ModelErrorKind("An error occurred with the LLM request.", 500),
    "llm_error": ModelErrorKind("An error occurred with the LLM request.", 500),
    "llm_insufficient_credits": ModelErrorKind(
        "The LLM model provider wants to be paid first.", 402
    ),
    "llm_not_found": ModelErrorKind("The LLM model provider does not know this model.", 400),
    "llm_permission_denied": ModelErrorKind("The LLM model provider denied access.", 401),
    "llm_rate_limit": ModelErrorKind("Rate limit exceeded for LLM model provider.", 429),
    "llm_timeout": ModelErrorKind("The LLM request timed out.", 504),
    "context_window_exceeded": ModelErrorKind(
        "The conversation is longer than the model can read.", 400
    ),
}


class ModelError(Exception):
    """A provider refused a request, failed or timed out.

    Attributes:
        type: a key of MODEL_ERRORS.
        detail: what clients may know, in this server's words.
        cause: the provider's own text, for the log only: it may repeat keys and addresses.
        is_transient: whether the same request may succeed soon.
        retry_after: the seconds after which the provider wants the next request, if it says so.
    """

    def __init__(
        self,
        type: ModelErrorType,
        detail: str,
        *,
        cause: str = "",
        is_transient: bool = False,
        retry_after: float | None = None,
    ):
        self.type = type
        self.message = MODEL_ERRORS[type].message
        self.detail = detail
        self.cause = cause[:MAX_CAUSE_LENGTH]
        self.is_transient = is_transient
        self.retry_after = retry_after
        super().__init__(f"{self.message} {detail}")


class UnknownModel(Exception):
    """No provider serves this handle; `known` are the prefixes of the handles that are served."""

    def __init__(self, handle: str, known: list[str]):
        self.handle = handle
        self.known = known
        super().__init__(handle)
