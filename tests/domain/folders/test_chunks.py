import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.domain.folders.chunks import chunks_of
from conversations.domain.folders.directories import visible_text


@given(st.text(alphabet="ab \n", max_size=300), st.integers(1, 20))
def test_chunks_are_short_and_complete(text, size):
    chunks = chunks_of(text, size)

    assert all(0 < len(chunk) <= size for chunk in chunks)
    assert "".join("".join(chunks).split()) == "".join(text.split())


def test_text_is_split_at_lines_and_long_lines_at_spaces():
    assert chunks_of("one\ntwo\nthree", 8) == ["one\ntwo", "three"]
    assert chunks_of("aaaa bbbb cccc", 10) == ["aaaa bbbb ", "cccc"]


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        (None, None, "[Viewing file start (out of 3 lines)]\n1: a\n2: b\n3: c"),
        (1, None, "[Viewing lines 2 to 3 (out of 3 lines)]\n2: b\n3: c"),
        (0, 1, "[Viewing lines 1 to 1 (out of 3 lines)]\n1: a"),
        (5, 9, "[Viewing lines 4 to 3 (out of 3 lines)]"),
    ],
)
def test_lines_are_numbered_under_a_heading(start, end, shown):
    assert visible_text("a\nb\nc", start, end, 100) == shown
