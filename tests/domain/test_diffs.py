from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from conversations.domain.diffs import DiffPart, text_diff

TEXTS = st.text(alphabet="ab \n.<", max_size=40)


def test_changed_word_is_shown_within_its_line():
    pieces = text_diff("Name: Ada\nCity: Lisbon\n", "Name: Ada\nCity: Porto\n")

    assert pieces == [
        DiffPart("same", "Name: Ada\nCity: "),
        DiffPart("removed", "Lisbon"),
        DiffPart("added", "Porto"),
        DiffPart("same", "\n"),
    ]


def test_diff_of_equal_and_empty_texts():
    assert text_diff("", "") == []
    assert text_diff("one", "one") == [DiffPart("same", "one")]
    assert text_diff("", "one two") == [DiffPart("added", "one two")]
    assert text_diff("one\ntwo\n", "two\n") == [
        DiffPart("removed", "one\n"),
        DiffPart("same", "two\n"),
    ]


@given(TEXTS, TEXTS)
def test_parts_join_to_both_texts(old, new):
    pieces = text_diff(old, new)

    assert "".join(p.text for p in pieces if p.change != "added") == old
    assert "".join(p.text for p in pieces if p.change != "removed") == new
    assert all(a.change != b.change for a, b in pairwise(pieces))


def test_work_for_long_texts_is_bounded():
    old = "a b " * 25_000
    new = "b c " * 25_000

    pieces = text_diff(old, new)

    assert pieces == [("removed", old), ("added", new)]


def test_work_for_many_long_lines_is_bounded():
    old = "".join("a " * 240 + f"{n}\nkept {n}\n" for n in range(200))
    new = "".join(" a" * 240 + f"{n}x\nkept {n}\n" for n in range(200))

    pieces = text_diff(old, new)

    # One changed line is compared word by word, the others as a whole.
    assert len(pieces) < 1_000
    assert "".join(p.text for p in pieces if p.change != "added") == old
    assert "".join(p.text for p in pieces if p.change != "removed") == new


def test_texts_with_little_in_common_are_shown_as_a_whole():
    pieces = text_diff("Nothing is known about her yet.", "Her name is Ada.")

    assert [piece.change for piece in pieces] == ["removed", "added"]
