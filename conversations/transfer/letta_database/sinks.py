"""Where the rows of a walk go: they are looked at, written, or compared with what is stored."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager as ContextManager
from contextlib import nullcontext
from itertools import pairwise
from typing import Any, Protocol

import orjson
from django.db import transaction

from ...domain.memory.prompt import recompile_all
from ...domain.memory.staleness import stale_conversations
from ...models import Conversation, ConversationMessage, Message
from .changes import follow
from .tables import MESSAGES, PLACES, REVISIONS, RUNS, STEPS, Table
from .target import existing_keys, insert_rows, key_of, plain

Tell = Callable[[str], None]
# A message of a conversation, and whether the model is shown it.
Place = tuple[str, bool]


class Sink(Protocol):
    counts: Counter[str]

    def together(self) -> ContextManager[Any]:
        """What is put within goes in whole or not at all."""

    def put(self, table: Table, rows: list[tuple]) -> list[tuple]:
        """Take rows; answers those that are new."""

    def place(self, threads: dict[str, list[Place]]) -> None:
        """Take the messages of conversations in order."""

    def finish(self, agent_ids: list[str], unspoken: list[str]) -> None:
        """After all rows of these agents. `unspoken` conversations had no system message."""


class Look:
    """Counts. What can't be stored has raised before it comes here."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    @property
    def rows(self) -> int:
        """How far a bar goes: runs, steps and messages are nearly all there is."""
        return sum(self.counts[table.name] for table in (RUNS, STEPS, MESSAGES))

    def together(self) -> ContextManager[Any]:
        return nullcontext()

    def put(self, table: Table, rows: list[tuple]) -> list[tuple]:
        self.counts[table.name] += len(rows)
        return rows

    def place(self, threads: dict[str, list[Place]]) -> None:
        self.counts[PLACES.name] += sum(map(len, threads.values()))

    def finish(self, agent_ids: list[str], unspoken: list[str]) -> None:
        pass


class Write(Look):
    """Inserts what is not there yet. What V1 has changed since follows, unless it was changed
    here too."""

    def together(self) -> ContextManager[Any]:
        return transaction.atomic()

    def put(self, table: Table, rows: list[tuple]) -> list[tuple]:
        key, stored = key_of(table), existing_keys(table, rows)
        fresh = [row for row in rows if key(row) not in stored]
        insert_rows(table, fresh)
        self.counts[table.name] += len(fresh)
        if len(fresh) < len(rows):
            follow(table, [row for row in rows if key(row) in stored])
        return fresh

    def place(self, threads: dict[str, list[Place]]) -> None:
        stored = _stored_places(threads)
        rows: list[tuple] = []
        again = []
        for thread_id, places in threads.items():
            here = stored.get(thread_id, [])
            if here == places or {each for each, _ in here} - {each for each, _ in places}:
                continue  # Nothing came, or it has gone on here; comparing tells.
            if here:
                again.append(thread_id)
            rows += [(thread_id, each, n, shown) for n, (each, shown) in enumerate(places)]
            self.counts[PLACES.name] += len(places) - len(here)
        ConversationMessage.objects.filter(conversation__in=again).delete()
        insert_rows(PLACES, rows)

    def finish(self, agent_ids: list[str], unspoken: list[str]) -> None:
        # As everywhere here: an agent's own thread is never stale, the others until their turn.
        own = Conversation.objects.filter(agent__in=agent_ids, is_default=True)
        for batch in stale_conversations(own):
            recompile_all([conversation.pk for conversation in batch])
        recompile_all(
            Conversation.objects.filter(pk__in=unspoken, compiled_from__blocks=[])
            .filter(compiled_from__system="")
            .values_list("pk", flat=True)
        )


def _stored_places(thread_ids: Iterable[str]) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = defaultdict(list)
    rows = ConversationMessage.objects.filter(conversation__in=list(thread_ids))
    ordered = rows.order_by("conversation", "position")
    columns = ("conversation_id", "message_id", "in_context")
    for thread_id, message_id, is_shown in ordered.values_list(*columns):
        found[thread_id].append((message_id, is_shown))
    return found


def _digestible(values: list | None) -> bytes:
    try:
        return orjson.dumps(values, default=str, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # An integer of more than 64 bits.
        return json.dumps(values, default=str, sort_keys=True).encode()


class Compare(Look):
    """Compares with what is stored, and digests both sides."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self.tell = tell
        self.differences = 0
        self.digests: dict[str, tuple[Any, Any]] = defaultdict(
            lambda: (hashlib.sha256(), hashlib.sha256())
        )

    def put(self, table: Table, rows: list[tuple]) -> list[tuple]:
        super().put(table, rows)
        if table is REVISIONS:
            # The newest is its block's text, which is compared; it may have followed V1.
            rows = [row for row, after in pairwise(rows) if row[0] == after[0]]
        key = key_of(table)
        first = table.columns.index(table.key[0])
        found = table.model._default_manager.filter(
            **{f"{table.key[0]}__in": {row[first] for row in rows}}
        ).order_by()
        stored = {key(row): row for row in found.values_list(*table.columns)}
        told = [i for i, name in enumerate(table.columns) if name not in table.untold]
        for row in rows:
            ours = stored.get(key(row))
            if table is MESSAGES and row[table.columns.index("role")] == Message.Role.SYSTEM:
                # Compiled from memory, here anew.
                told_here = [i for i in told if table.columns[i] != "content"]
            else:
                told_here = told
            theirs = [plain(table, i, row[i]) for i in told_here]
            mine = None if ours is None else [ours[i] for i in told_here]
            self._compare(table, key(row), theirs, mine, [table.columns[i] for i in told_here])
        return rows

    def place(self, threads: dict[str, list[Place]]) -> None:
        super().place(threads)
        stored = _stored_places(threads)
        for thread_id, places in threads.items():
            here = stored.get(thread_id, [])
            self._compare(PLACES, (thread_id,), [places], [here], ["order"])

    def _compare(
        self, table: Table, key: tuple, theirs: list, mine: list | None, columns: list[str]
    ) -> None:
        for digest, values in zip(self.digests[table.name], (theirs, mine), strict=True):
            digest.update(_digestible(values))
        if theirs == mine:
            return
        self.differences += 1
        if mine is None:
            self.tell(f"{table.name} {key[0]}: is not here")
            return
        names = [name for name, a, b in zip(columns, theirs, mine, strict=True) if a != b]
        self.tell(f"{table.name} {key[0]}: {', '.join(names)} differ from V1")
