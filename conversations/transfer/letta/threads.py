"""The order of messages in conversations of V1, which has positions twice, and lists of ids."""

from itertools import groupby
from typing import Any, NamedTuple

from ...models import Message
from ..parcels import reading_order
from . import tables
from .rows import derived_id
from .sinks import Sink, Tell
from .source import Source


class Thread(NamedTuple):
    """A conversation as it is put, and for an agent's own one the ids that are in context."""

    row: tuple
    context: list[str] | None


def place_threads(
    source: Source, sink: Sink, tell: Tell, query: str, threads: dict[str, Thread]
) -> list[str]:
    """Put the messages of these conversations in order; the ids of those that V1 gave no system
    message, and that have an empty one now."""
    unspoken = []
    waiting = dict(threads)
    found = groupby(source.rows(query, batch=list(threads)), key=lambda place: place.thread)
    for thread_id, places in found:
        thread = waiting.pop(thread_id)
        if _place(sink, tell, thread, list(places)):
            unspoken.append(thread.row[0])
    for thread in waiting.values():
        _place(sink, tell, thread, [])
        unspoken.append(thread.row[0])
    return unspoken


def _place(sink: Sink, tell: Tell, thread: Thread, places: list[Any]) -> bool:
    conversation_id = thread.row[0]
    context = _context(tell, thread, places)
    ids = reading_order([place.id for place in places], context)
    system = {place.id for place in places if place.role == Message.Role.SYSTEM}
    # V1 compiles it for each conversation, and shows it first.
    first = next((each for each in [*context, *ids] if each in system), None)
    if first is None:
        first = derived_id("message", "system", conversation_id)
        row = thread.row
        sink.put(tables.MESSAGES, [(first, *row[1:6], row[6], "system", "[]", "[]", None, "[]",
                                    *[None] * 8)])  # fmt: skip
    shown = {*context, first}
    order = [first, *(each for each in ids if each != first)]
    sink.place(conversation_id, [(each, each in shown) for each in order])
    return first not in system


def _context(tell: Tell, thread: Thread, places: list[Any]) -> list[str]:
    """The ids of the messages that the model was shown, in that order."""
    conversation_id, agent_id = thread.row[0], thread.row[6]
    if thread.context is not None:
        there = {place.id for place in places}
        context = [each for each in dict.fromkeys(thread.context) if each in there]
        if len(context) < len(thread.context):
            lost = len(thread.context) - len(context)
            tell(f"{agent_id}: {lost} ids in its message_ids name no message of its own thread")
        return context
    positions = [place.position for place in places if place.position is not None]
    if twice := len(positions) - len(set(positions)):
        tell(f"{conversation_id}: {twice} positions were used twice; its messages are in order now")
    if lost := len(places) - len(positions):
        tell(f"{conversation_id}: {lost} messages had no position; they are out of context")
    shown = [place for place in places if place.in_context]
    shown.sort(key=lambda place: (place.position, place.sequence_id))
    return [place.id for place in shown]
