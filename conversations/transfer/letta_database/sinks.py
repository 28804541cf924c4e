"""The three passes of an import: check every row, insert, verify what is stored."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any

import orjson
from django.db import transaction

from ...domain.memory.prompt import recompile_all, stale_conversations
from ...models import Agent, Conversation, ConversationMessage, Message
from .changes import apply_changes
from .findings import Report
from .insert import insert_rows, stored_rows
from .rows import (
    MessagePositionRow,
    MessageRow,
    PassageRow,
    RevisionRow,
    Row,
    RowT,
    RunRow,
    StepRow,
    model_fields,
    stored_values_of,
    table_name,
    values_of,
)

# By conversation.
Order = dict[str, list[MessagePositionRow]]


class Sink:
    """Takes converted rows and counts them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def atomic(self) -> AbstractContextManager[Any]:
        """Return a context in which all rows are stored, or none."""
        return nullcontext()

    def insert(self, rows: Sequence[RowT]) -> Sequence[RowT]:
        """Take rows of one class; return those that are not stored yet."""
        if rows:
            self.counts[table_name(type(rows[0]))] += len(rows)
        return rows

    def set_order(self, order: Order) -> None:
        """Take the messages of each conversation, in order."""
        self.counts[table_name(MessagePositionRow)] += sum(map(len, order.values()))

    def finish(self, agent_ids: list[str], without_system_message: list[str]) -> None:
        """Take the end of a batch of agents, and its conversations without system message."""


class DryRunSink(Sink):
    """Stores nothing. A row that can't be stored has raised before it is counted."""

    @property
    def row_count(self) -> int:
        """The total of a progress bar: passages, runs, steps and messages."""
        counted = (PassageRow, RunRow, StepRow, MessageRow)
        return sum(self.counts[table_name(row)] for row in counted)


class InsertSink(Sink):
    """Inserts new rows, and applies what changed in V1 to rows not changed here."""

    def atomic(self) -> AbstractContextManager[Any]:
        return transaction.atomic()

    def insert(self, rows: Sequence[RowT]) -> Sequence[RowT]:
        if not rows:
            return []
        key = rows[0].key
        get_key, stored = values_of(key), set(stored_rows(rows).values_list(*key))
        new = [row for row in rows if get_key(row) not in stored]
        insert_rows(new)
        self.counts[table_name(type(rows[0]))] += len(new)
        if len(new) < len(rows):
            apply_changes([row for row in rows if get_key(row) in stored])
        return new

    def set_order(self, order: Order) -> None:
        stored = _stored_order(order)
        rows: list[MessagePositionRow] = []
        replaced = []
        for conversation_id, messages in order.items():
            here = stored.get(conversation_id, [])
            added_here = {message.message_id for message in here}.difference(
                message.message_id for message in messages
            )
            if here == messages or added_here:
                # Nothing new, or the conversation continued here; the verify pass reports it.
                continue
            if here:
                replaced.append(conversation_id)
            rows += messages
            self.counts[table_name(MessagePositionRow)] += len(messages) - len(here)
        ConversationMessage.objects.filter(conversation__in=replaced).delete()
        insert_rows(rows)

    def finish(self, agent_ids: list[str], without_system_message: list[str]) -> None:
        # Prompts look for files of agents that ever had a folder.
        with_folders = Agent.objects.filter(pk__in=agent_ids, folder_links__isnull=False)
        Agent.objects.filter(pk__in=with_folders, files_version=0).update(files_version=1)
        # A default conversation is never stale; any other is recompiled at its next turn.
        default = Conversation.objects.filter(agent__in=agent_ids, is_default=True)
        for batch in stale_conversations(default):
            recompile_all([conversation.pk for conversation in batch])
        recompile_all(
            Conversation.objects.filter(pk__in=without_system_message, compiled_from__blocks=[])
            .filter(compiled_from__system="")
            .values_list("pk", flat=True)
        )


class VerifySink(Sink):
    """Compares converted rows with stored ones, and digests both sides."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report
        self.differences = 0
        self.digests: dict[str, tuple[Any, Any]] = defaultdict(
            lambda: (hashlib.sha256(), hashlib.sha256())
        )

    def insert(self, rows: Sequence[RowT]) -> Sequence[RowT]:
        super().insert(rows)
        if not rows:
            return rows
        to_verify: Sequence[Row] = rows
        row_class: type[Row] = type(rows[0])
        if row_class is RevisionRow:
            # The newest revision of a block has the block's text, which is verified there. After
            # a change in V1 it may have another number.
            revisions = [row for row in rows if isinstance(row, RevisionRow)]
            to_verify = [a for a, b in pairwise(revisions) if a.block_id == b.block_id]
        if not to_verify:
            return rows
        names = tuple(name for name in model_fields(row_class) if name not in row_class.unverified)
        get_values = stored_values_of(row_class, names)
        get_key = values_of(row_class.key)
        stored = {
            tuple(values[name] for name in row_class.key): values
            for values in stored_rows(to_verify).values(*{*row_class.key, *names})
        }
        for row in to_verify:
            v1 = get_values(row)
            if isinstance(row, MessageRow) and row.role == Message.Role.SYSTEM:
                del v1["content"]  # It is compiled again, from the imported memory.
            ours = stored.get(get_key(row))
            if ours is not None:
                ours = {name: ours[name] for name in v1}
            self._compare(row_class, str(get_key(row)[0]), v1, ours)
        return rows

    def set_order(self, order: Order) -> None:
        super().set_order(order)
        stored = _stored_order(order)
        for conversation_id, messages in order.items():
            ours = stored.get(conversation_id, [])
            self._compare(
                MessagePositionRow,
                conversation_id,
                {"order": [(row.message_id, row.in_context) for row in messages]},
                {"order": [(row.message_id, row.in_context) for row in ours]},
            )

    def _compare(
        self, row_class: type[Row], row_id: str, v1: dict[str, Any], ours: dict[str, Any] | None
    ) -> None:
        table = table_name(row_class)
        for digest, values in zip(self.digests[table], (v1, ours), strict=True):
            digest.update(_canonical_json(values))
        if v1 == ours:
            return
        self.differences += 1
        if ours is None:
            self.report(f"{table} {row_id}: not stored")
        else:
            names = ", ".join(name for name, value in v1.items() if value != ours[name])
            self.report(f"{table} {row_id}: differs from V1 in {names}")


def _stored_order(conversation_ids: Iterable[str]) -> Order:
    order: Order = defaultdict(list)
    rows = ConversationMessage.objects.filter(conversation__in=list(conversation_ids))
    in_order = rows.order_by("conversation", "position")
    for conversation_id, message_id, in_context in in_order.values_list(
        "conversation_id", "message_id", "in_context"
    ):
        position = len(order[conversation_id])
        order[conversation_id].append(
            MessagePositionRow(conversation_id, message_id, position, in_context)
        )
    return order


def _canonical_json(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # An integer of more than 64 bits.
        return json.dumps(value, default=str, sort_keys=True).encode()
