"""The order of messages in conversations of V1, which has positions twice, and lists of ids."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from ...models import Message
from ..agent_files.model import reading_order
from . import tables
from .convert import derived_id
from .sinks import Place, Sink, Tell
from .source import FETCHED, Source


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
    ready: dict[str, list[Place]] = {}
    for thread, places in _places(source, query, threads):
        order, is_spoken = _order(tell, thread, places)
        conversation_id = thread.row[0]
        if not is_spoken:
            unspoken.append(conversation_id)
            sink.put(tables.MESSAGES, [_system_row(order[0][0], thread)])
        ready[conversation_id] = order
        if sum(map(len, ready.values())) >= FETCHED:
            sink.place(ready)
            ready = {}
    sink.place(ready)
    return unspoken


def _places(
    source: Source, query: str, threads: dict[str, Thread]
) -> Iterator[tuple[Thread, list[Any]]]:
    waiting = dict(threads)
    found = groupby(source.rows(query, batch=list(threads)), key=lambda place: place.thread)
    for thread_id, places in found:
        yield waiting.pop(thread_id), list(places)
    for thread in waiting.values():
        yield thread, []


def _order(tell: Tell, thread: Thread, places: list[Any]) -> tuple[list[Place], bool]:
    """The messages in order, the system message first, and whether V1 has that."""
    context = _context(tell, thread, places)
    ids = reading_order([place.id for place in places], context)
    system = {place.id for place in places if place.role == Message.Role.SYSTEM}
    # V1 compiles it for each conversation, and shows it first.
    first = next((each for each in [*context, *ids] if each in system), None)
    is_spoken = first is not None
    first = first or derived_id("message", "system", thread.row[0])
    shown = {*context, first}
    order = [first, *(each for each in ids if each != first)]
    return [(each, each in shown) for each in order], is_spoken


def _system_row(message_id: str, thread: Thread) -> tuple:
    nothing = (None,) * 8
    owned, agent_id = thread.row[1:6], thread.row[6]
    return (message_id, *owned, agent_id, "system", "[]", "[]", None, "[]", *nothing)


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
