"""How one text became another, as values; the admin and the API each draw them."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher, unified_diff
from typing import Literal, NamedTuple

Change = Literal["same", "added", "removed"]

# Comparing takes time that grows with the product of both lengths. A diff compares this many pairs
# of lines, and of words in all its lines; what is beyond counts as replaced. A page with twenty
# diffs of long texts must still answer.
MAX_PAIRS = 250_000


class _WorkBudget:
    """How many pairs a diff may still compare."""

    def __init__(self):
        self.pairs = MAX_PAIRS

    def lasts(self, pairs: int) -> bool:
        if pairs > self.pairs:
            return False
        self.pairs -= pairs
        return True


class DiffPart(NamedTuple):
    """A stretch of text that both have, or that only the new one or only the old one has."""

    change: Change
    text: str


def text_diff(old: str, new: str) -> list[DiffPart]:
    """What `new` keeps, adds and removes: by lines, and by words where lines changed.

    The pieces that are not added make up `old` again, those that are not removed make up `new`.
    """
    pieces: list[DiffPart] = []
    for_words = _WorkBudget()
    lines = old.splitlines(keepends=True), new.splitlines(keepends=True)
    for before, after in _aligned(*lines, _WorkBudget()):
        if before == after:
            _add(pieces, "same", before)
        else:
            for old_words, new_words in _rewording(before, after, for_words):
                if old_words == new_words:
                    _add(pieces, "same", old_words)
                else:
                    _add(pieces, "removed", old_words)
                    _add(pieces, "added", new_words)
    return pieces


def _rewording(before: str, after: str, patience: _WorkBudget) -> list[tuple[str, str]]:
    """By words when most of the shorter text was kept, else as a whole.

    Texts that have only an "is" and a "the" in common are read sooner one after the other.
    """
    words = list(_aligned(_words(before), _words(after), patience))
    kept = sum(len(old) for old, new in words if old == new)
    return words if 2 * kept > min(len(before), len(after)) else [(before, after)]


def _aligned(old: list[str], new: list[str], patience: _WorkBudget) -> Iterator[tuple[str, str]]:
    """Stretches of both that stand for each other, equal ones among them."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    head, tail = "".join(old[:start]), "".join(old[len(old) - end :])
    old, new = old[start : len(old) - end], new[start : len(new) - end]
    yield head, head
    if not patience.lasts(len(old) * len(new)):
        yield "".join(old), "".join(new)
    else:
        for _, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            yield "".join(old[i1:i2]), "".join(new[j1:j2])
    yield tail, tail


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|\s+|[^\w\s]", text)


def _add(pieces: list[DiffPart], change: Change, text: str) -> None:
    if text and pieces and pieces[-1].change == change:
        pieces[-1] = DiffPart(change, pieces[-1].text + text)
    elif text:
        pieces.append(DiffPart(change, text))


def unified(old: str, new: str, old_name: str, new_name: str) -> str:
    """A unified diff for programs and terminals; empty when nothing differs."""
    lines = unified_diff(old.splitlines(), new.splitlines(), old_name, new_name, lineterm="")
    return "\n".join(lines)
