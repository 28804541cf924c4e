"""What can be wrong with a caller's wish, in the caller's words.

The API maps these classes to HTTP statuses in one place; the admin and the commands show the text.
"""


class DomainError(Exception):
    """A rule refuses the wish; nothing was written."""

    @property
    def details(self) -> dict:
        """What a program needs besides the text, as JSON."""
        return {}


class InvalidArgument(DomainError):
    """The wish names something that is not there or makes no sense."""


class InvalidValue(DomainError):
    """One field holds what it can't hold; `field` names it."""

    def __init__(self, field: str, message: str):
        self.field = field
        super().__init__(f"{field}: {message}")


class NotFound(DomainError):
    """No such row for this organization."""


class Conflict(DomainError):
    """The wish is sound, but the present state forbids it."""


class BlockTooLong(InvalidValue):
    def __init__(self, label: str, length: int, limit: int):
        super().__init__(
            "value", f"block {label!r} holds at most {limit} characters, and this has {length}"
        )


class UnknownLabels(InvalidArgument):
    def __init__(self, agent_id: str, labels: list[str], known: list[str]):
        wanted = ", ".join(repr(label) for label in labels)
        has = ", ".join(repr(label) for label in known) or "none"
        super().__init__(
            f"Block with label {wanted} not found on agent '{agent_id}'; its labels are {has}"
        )


class RepeatedLabels(InvalidArgument):
    def __init__(self, field: str, labels: list[str]):
        repeated = ", ".join(repr(label) for label in labels)
        super().__init__(f"{field} names {repeated} more than once; name each label once")


class LabelTaken(Conflict):
    def __init__(self, agent_id: str, label: str):
        super().__init__(
            f"Agent '{agent_id}' already has a block with label {label!r}; "
            "detach that one or use another label"
        )


class BelongsToConversation(Conflict):
    """An isolated block can't be used like an ordinary one."""

    def __init__(self, block_id: str, conversation_id: str | None, wish: str):
        super().__init__(
            f"Block '{block_id}' is isolated in conversation '{conversation_id}': it can't {wish}"
        )


class StaleVersion(DomainError):
    """The row has moved on since the version the write was based on; None: since there was none.

    `value` is a block's text or a conversation's fields. `diff` is unified: what has changed
    since that version, or for a conversation, whose past is not kept, what the write would change.
    """

    def __init__(
        self, what: str, *, expected: int | None, version: int, value: str | dict, diff: str
    ):
        self.version = version
        self.value = value
        self.diff = diff
        basis = "there being none" if expected is None else f"version {expected}"
        super().__init__(f"{what} is at version {version}; this write was based on {basis}")

    @property
    def details(self) -> dict:
        return {"version": self.version, "value": self.value, "diff": self.diff}
