"""The difference of two texts, as values for the API and the console to render."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher, unified_diff
from typing import Literal, NamedTuple

Change = Literal["same", "added", "removed"]

# Comparing takes time in proportion to the product of both lengths. A diff compares at most this
# many pairs of lines, and of words; longer sections count as replaced. A page shows twenty diffs.
MAX_PAIRS = 250_000


class _WorkBudget:
    """The number of pairs that a diff may still compare."""

    def __init__(self) -> None:
        self.pairs = MAX_PAIRS

    def spend(self, pairs: int) -> bool:
        if pairs > self.pairs:
            return False
        self.pairs -= pairs
        return True


class DiffPart(NamedTuple):
    """Text that is in both, only in the new one (added) or only in the old one (removed)."""

    change: Change
    text: str


def text_diff(old: str, new: str) -> list[DiffPart]:
    """Compare two texts by lines, and changed lines by words.

    The parts that are not added join to `old`, those that are not removed join to `new`.
    """
    parts: list[DiffPart] = []
    for_words = _WorkBudget()
    lines = old.splitlines(keepends=True), new.splitlines(keepends=True)
    for before, after in _aligned(*lines, _WorkBudget()):
        if before == after:
            _add(parts, "same", before)
        else:
            for old_words, new_words in _rewording(before, after, for_words):
                if old_words == new_words:
                    _add(parts, "same", old_words)
                else:
                    _add(parts, "removed", old_words)
                    _add(parts, "added", new_words)
    return parts


def _rewording(before: str, after: str, budget: _WorkBudget) -> list[tuple[str, str]]:
    """Align by words if most of the shorter text was kept, else as a whole.

    Texts that share only an "is" and a "the" are easier to read one after the other.
    """
    words = list(_aligned(_words(before), _words(after), budget))
    kept = sum(len(old) for old, new in words if old == new)
    return words if 2 * kept > min(len(before), len(after)) else [(before, after)]


def _aligned(old: list[str], new: list[str], budget: _WorkBudget) -> Iterator[tuple[str, str]]:
    """Yield sections of both that correspond to each other, equal or not."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    head, tail = "".join(old[:start]), "".join(old[len(old) - end :])
    old, new = old[start : len(old) - end], new[start : len(new) - end]
    yield head, head
    if not budget.spend(len(old) * len(new)):
        yield "".join(old), "".join(new)
    else:
        for _, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            yield "".join(old[i1:i2]), "".join(new[j1:j2])
    yield tail, tail


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|\s+|[^\w\s]", text)


def _add(parts: list[DiffPart], change: Change, text: str) -> None:
    if text and parts and parts[-1].change == change:
        parts[-1] = DiffPart(change, parts[-1].text + text)
    elif text:
        parts.append(DiffPart(change, text))


def unified(old: str, new: str, old_name: str, new_name: str) -> str:
    """Return a unified diff; empty if the texts are equal."""
    lines = unified_diff(old.splitlines(), new.splitlines(), old_name, new_name, lineterm="")
    return "\n".join(lines)
