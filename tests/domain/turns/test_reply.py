"""Tool calls are assembled from the chunks of different servers."""

import pytest

from conversations.domain.turns.reply import ModelReply
from conversations.llm.requests import CallChunk


def calls_of(*pieces: CallChunk) -> list[tuple[str, str]]:
    reply = ModelReply("step")
    for piece in pieces:
        reply.add(piece)
    ids = [call["id"] for call in reply.calls]
    assert len(set(ids)) == len(ids)
    assert all(ids)
    return [(call["function"]["name"], call["function"]["arguments"]) for call in reply.calls]


@pytest.mark.parametrize(
    "pieces",
    [
        # As OpenAI sends them.
        [(0, "a", "f", ""), (0, "", "", '{"x"'), (0, "", "", ":1}"), (1, "b", "g", "{}")],
        # Interleaved.
        [(0, "a", "f", ""), (1, "b", "g", ""), (0, "", "", '{"x":1}'), (1, "", "", "{}")],
        # Every call has index 0.
        [(0, "a", "f", ""), (0, "", "", '{"x":1}'), (0, "b", "g", ""), (0, "", "", "{}")],
        # Without ids.
        [(0, "", "f", '{"x":1}'), (0, "", "g", "{}")],
        # Every chunk repeats the id.
        [(0, "a", "f", ""), (0, "a", "", '{"x":1}'), (1, "b", "g", "{}")],
        # All calls have the same id.
        [(0, "a", "f", '{"x":1}'), (1, "a", "g", "{}")],
        [(0, "a", "f", '{"x":1}'), (0, "a", "g", "{}")],
        # The name is split between chunks.
        [(5, "a", "", ""), (5, "", "f", ""), (5, "", "", '{"x":1}'), (2, "b", "g", "{}")],
    ],
)
def test_chunks_of_two_calls_are_assembled(pieces):
    assert calls_of(*(CallChunk(*piece) for piece in pieces)) == [("f", '{"x":1}'), ("g", "{}")]


def test_overlong_id_is_replaced():
    reply = ModelReply("step")
    reply.add(CallChunk(0, "i" * 1000, "n" * 1000, "{}"))

    [call] = reply.calls
    assert call["id"].startswith("call_")
    assert len(call["function"]["name"]) == 200
