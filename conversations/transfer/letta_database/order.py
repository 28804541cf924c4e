"""The order of a conversation's messages: V1 has duplicate positions, and lists of ids."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from ...models import Message
from ..agent_files.model import reading_order
from .convert import derived_id
from .findings import Findings, Report
from .queries import Query, V1MessagePosition
from .rows import ConversationRow, MessagePositionRow, MessageRow
from .sinks import Order, Sink
from .v1_database import FETCH_SIZE, V1Database


@dataclass
class OrderRequest:
    """A conversation, and for a default one the message ids in its agent's context."""

    conversation: ConversationRow
    context: list[str] | None = None


def set_message_order(
    v1: V1Database,
    sink: Sink,
    findings: Findings,
    query: Query[V1MessagePosition],
    requests: dict[str, OrderRequest],
) -> list[str]:
    """Order the messages of conversations, which are keyed by the `list_id` of the query.

    Returns:
        The ids of conversations without a system message in V1; they have an empty one now.
    """
    without_system_message = []
    order: Order = {}
    for request, positions in _by_conversation(v1, query, requests):
        conversation = request.conversation
        positions = [row for row in positions if not findings.left(MessageRow, row.message_id)]
        messages, has_system_message = _ordered(findings.report, request, positions)
        if not has_system_message:
            without_system_message.append(conversation.id)
            sink.insert([_empty_system_message(messages[0].message_id, conversation)])
        order[conversation.id] = messages
        if sum(map(len, order.values())) >= FETCH_SIZE:
            sink.set_order(order)
            order = {}
    sink.set_order(order)
    return without_system_message


def _by_conversation(
    v1: V1Database, query: Query[V1MessagePosition], requests: dict[str, OrderRequest]
) -> Iterator[tuple[OrderRequest, list[V1MessagePosition]]]:
    without_messages = dict(requests)
    rows = v1.rows(query, batch=list(requests))
    for list_id, positions in groupby(rows, key=lambda row: row.list_id):
        yield without_messages.pop(list_id), list(positions)
    for request in without_messages.values():
        yield request, []


def _ordered(
    report: Report, request: OrderRequest, positions: list[V1MessagePosition]
) -> tuple[list[MessagePositionRow], bool]:
    """Return the messages, the system message first, and whether V1 has that."""
    context = _context(report, request, positions)
    ids = reading_order([row.message_id for row in positions], context)
    system = {row.message_id for row in positions if row.role == Message.Role.SYSTEM}
    v1_first = next((each for each in [*context, *ids] if each in system), None)
    conversation_id = request.conversation.id
    first = v1_first or derived_id("message", "system", conversation_id)
    in_context = {*context, first}
    in_order = [first, *(each for each in ids if each != first)]
    messages = [
        MessagePositionRow(conversation_id, each, position, each in in_context)
        for position, each in enumerate(in_order)
    ]
    return messages, v1_first is not None


def _empty_system_message(message_id: str, conversation: ConversationRow) -> MessageRow:
    return MessageRow(
        message_id,
        conversation.organization_id,
        conversation.created_at,
        conversation.updated_at,
        conversation.created_by_id,
        conversation.last_updated_by_id,
        agent_id=conversation.agent_id,
        role=Message.Role.SYSTEM.value,
    )


def _context(
    report: Report, request: OrderRequest, positions: list[V1MessagePosition]
) -> list[str]:
    """Return the ids of the messages in context, in the order the model reads them."""
    conversation = request.conversation
    if request.context is not None:
        known = {row.message_id for row in positions}
        context = [each for each in dict.fromkeys(request.context) if each in known]
        if skipped := len(request.context) - len(context):
            report(f"{conversation.agent_id}: {skipped} unknown or repeated ids in message_ids")
        return context
    numbers = [row.position for row in positions if row.position is not None]
    if duplicates := len(numbers) - len(set(numbers)):
        report(f"{conversation.id}: {duplicates} duplicate message positions; renumbered")
    if lost := len(positions) - len(numbers):
        report(f"{conversation.id}: {lost} messages without a position; imported out of context")
    in_context = [
        (row.position, row.sequence_id, row.message_id)
        for row in positions
        if row.in_context and row.position is not None
    ]
    return [message_id for _, _, message_id in sorted(in_context)]
