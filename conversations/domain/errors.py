"""Errors of the domain. A verb that raises one has written nothing.

The messages are for the console and the command line; the API has its own texts and statuses, for
which some classes carry what they are about (`api/http/errors.py`).
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import Model

from ..models import Quota


class DomainError(Exception):
    """A rule rejects the request."""


class InvalidArgument(DomainError):
    """An argument is unknown, malformed or contradicts another one."""


class InvalidValue(DomainError):
    """A field has a value that is not allowed; `message` says what is, without the field."""

    def __init__(self, field: str, message: str):
        self.field = field
        self.message = message
        super().__init__(f"{field}: {message}")


class NotFound(DomainError):
    """The organization has no such row."""


class Conflict(DomainError):
    """The request is valid, but the present state does not allow it."""


class NotAllowed(DomainError):
    """The caller's rights do not include this."""


class UnknownId(NotFound):
    """The organization has no row with this id, or no longer."""

    def __init__(self, model: type[Model], id: str):
        self.model = model
        self.id = id
        super().__init__(f"{str(model._meta.verbose_name).capitalize()} '{id}' not found")


class BlockNotAttached(NotFound):
    """The block is not attached to the agent."""

    def __init__(self, agent_id: str, block_id: str):
        self.agent_id = agent_id
        self.block_id = block_id
        super().__init__(f"Block '{block_id}' is not attached to agent '{agent_id}'")


class NotIsolated(NotFound):
    """The conversation reads the shared block of the label."""

    def __init__(self, conversation_id: str, label: str):
        super().__init__(f"Conversation '{conversation_id}' has not isolated the label {label!r}")


class MessageNotInConversation(NotFound):
    """The message belongs to another conversation, or there is none with this id."""

    def __init__(self, conversation_id: str, message_id: str):
        super().__init__(f"Message '{message_id}' is not in conversation '{conversation_id}'")


class UnknownModelHandle(NotFound):
    """No provider is configured for the handle; `known` lists the handles there are."""

    def __init__(self, handle: str, known: list[str]):
        self.handle = handle
        self.known = known
        super().__init__(f"No provider for the model {handle!r}; models: {', '.join(known)}")


class InvalidModelHandle(InvalidArgument):
    """The handle does not read provider/model."""

    def __init__(self, handle: str):
        self.handle = handle
        super().__init__(f"Expected a model as provider/name, got {handle!r}")


class ModelRequired(InvalidArgument):
    """An agent was to be created without a model."""


class UnknownLabels(InvalidArgument):
    """The agent has no blocks with these labels."""

    def __init__(self, agent_id: str, labels: list[str], known: list[str]):
        self.agent_id = agent_id
        self.labels = labels
        self.known = known
        super().__init__(
            f"Agent '{agent_id}' has no block with label {quoted(labels)}; "
            f"its labels are {quoted(known)}"
        )


class RepeatedLabels(InvalidArgument):
    """Labels are named more than once."""

    def __init__(self, labels: list[str]):
        super().__init__(f"Labels named more than once: {quoted(labels)}")


class BlockTooLong(InvalidValue):
    """The value of a block is longer than its limit."""

    def __init__(self, label: str, length: int, limit: int):
        super().__init__(
            "value", f"expected at most {limit} characters in block {label!r}, got {length}"
        )


class LabelTaken(Conflict):
    """The agent already has a block with the label."""

    def __init__(self, agent_id: str, label: str):
        super().__init__(
            f"Agent '{agent_id}' already has a block with label {label!r}; "
            "detach that one or use another label"
        )


class NoActiveRuns(Conflict):
    """The agent or conversation has no run that could be canceled."""

    def __init__(self, row: Model):
        self.row = row
        super().__init__(f"{row} has no active runs")


class EventsRemoved(DomainError):
    """The events of a run are not stored any longer."""

    def __init__(self, run_id: str):
        super().__init__(f"The events of run '{run_id}' are no longer stored; its messages are")


class NothingToCompact(InvalidArgument):
    """A compaction would not reduce the number of messages."""

    def __init__(self, in_context: int, replaced: int):
        super().__init__(f"{in_context} messages are in context, of which {replaced} would go")


class QuotaExceeded(DomainError):
    """An organization would exceed one of its quotas.

    Attributes:
        quota: The name of the quota.
        limit: The organization's maximum.
        used: How much of it is used.
    """

    def __init__(self, quota: Quota, *, limit: int, used: int):
        self.quota, self.limit, self.used = quota, limit, used
        super().__init__(
            f"The organization's maximum is {limit:,} {quota.label}; it has {used:,} now"
        )


class StaleVersion(DomainError):
    """The row has changed since the version that the write was based on.

    Attributes:
        version: the present version of the row.
        value: a block's text, or a conversation's fields.
        diff: unified; what has changed since that version. Of a conversation, which keeps no past
            versions, what the write would change.
    """

    def __init__(
        self,
        what: str,
        *,
        expected: int | None,
        version: int,
        value: str | dict[str, Any],
        diff: str,
    ):
        self.version = version
        self.value = value
        self.diff = diff
        basis = "its absence" if expected is None else f"version {expected}"
        super().__init__(f"{what} is at version {version}; this write was based on {basis}")


def quoted(words: Iterable[str]) -> str:
    """Return the words in quotation marks, separated by commas; "none" for no words."""
    return ", ".join(repr(word) for word in words) or "none"
