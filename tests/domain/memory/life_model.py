"""A model of blocks, conversations and drift that shares no code with the domain."""

from dataclasses import dataclass, field

from merge3 import Merge3


@dataclass
class Text:
    """A block's text with its history: the edits before it, and those undone."""

    value: str
    edits: int = 1
    undone: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # by every revision but the newest

    def write(self, value: str) -> None:
        if value != self.value:
            self.before.append(self.value)
            self.undone.clear()
            self._say(value)

    def undo(self) -> None:
        self._step(self.before, self.undone)

    def redo(self) -> None:
        self._step(self.undone, self.before)

    def _step(self, source: list[str], target: list[str]) -> None:
        target.append(self.value)
        self._say(source.pop())

    def _say(self, value: str) -> None:
        self.said.append(self.value)
        self.value = value
        self.edits += 1


@dataclass
class Own(Text):
    base: str = ""


@dataclass
class ConversationModel:
    row: object
    own: dict[str, Own]
    deleted: bool = False


def merged(base: str, shared: str, own: str) -> str | None:
    """Return the result of a rebase; None if both changed the same lines."""
    groups = list(Merge3(*(text.split("\n") for text in (base, shared, own))).merge_groups())
    if any(group[0] == "conflict" for group in groups):
        return None
    return "\n".join(line for group in groups for line in group[1])


def drift(own: Own, shared: Text | None) -> str:
    if shared is None:
        return "shared_gone"
    if own.value == shared.value:
        return "in_sync"
    if shared.value == own.base:
        return "isolated_changed"
    return "shared_changed" if own.value == own.base else "diverged"
