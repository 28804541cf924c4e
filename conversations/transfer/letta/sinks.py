"""Where the rows of a walk go: they are looked at, written, or compared with what is stored."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager as ContextManager
from contextlib import nullcontext
from typing import Any, Protocol

import orjson
from django.db import transaction

from ...domain.authors import Author, Source
from ...domain.blocks import write_block
from ...domain.context import recompile_all
from ...domain.staleness import stale_conversations
from ...models import Block, BlockRevision, Conversation, ConversationMessage, Message
from .tables import BLOCKS, MESSAGES, PLACES, REVISIONS, RUNS, STEPS, Table
from .target import existing_keys, insert_rows, key_of

Tell = Callable[[str], None]

IMPORT = Author(None, Source.IMPORT)
# What of a block follows V1 while nobody has edited it here.
FOLLOWED = ("value", "limit", "description")


class Sink(Protocol):
    counts: Counter[str]

    def together(self) -> ContextManager[Any]:
        """What is put within goes in whole or not at all."""

    def put(self, table: Table, rows: list[tuple]) -> list[tuple]:
        """Take rows; answers those that are new."""

    def place(self, thread_id: str, places: list[tuple[str, bool]]) -> None:
        """Take the messages of a conversation in order, and which of them the model is shown."""

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

    def place(self, thread_id: str, places: list[tuple[str, bool]]) -> None:
        self.counts[PLACES.name] += len(places)

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
        if table is BLOCKS and len(fresh) < len(rows):
            _follow_blocks([row for row in rows if key(row) in stored])
        return fresh

    def place(self, thread_id: str, places: list[tuple[str, bool]]) -> None:
        stored = list(
            ConversationMessage.objects.filter(conversation=thread_id)
            .order_by("position")
            .values_list("message_id", "in_context")
        )
        if stored == places or {each for each, _ in stored} - {each for each, _ in places}:
            return  # Nothing came, or it has gone on here; comparing tells.
        if stored:
            ConversationMessage.objects.filter(conversation=thread_id).delete()
        rows = [(thread_id, each, n, shown) for n, (each, shown) in enumerate(places)]
        insert_rows(PLACES, rows)
        self.counts[PLACES.name] += len(places) - len(stored)

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


def _follow_blocks(rows: list[tuple]) -> None:
    stored = Block.objects.in_bulk([row[0] for row in rows])
    for row in rows:
        block, wanted = stored[row[0]], dict(zip(BLOCKS.columns, row, strict=True))
        changes = {name: wanted[name] for name in FOLLOWED if getattr(block, name) != wanted[name]}
        if changes and block.deleted_at is None:
            others = BlockRevision.objects.filter(block=block).exclude(source=Source.IMPORT)
            if not others.exists():
                write_block(block, by=IMPORT, reason="changed in V1 since", **changes)


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
            rows = rows[:-1]
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
            theirs = [_plain(table, i, row[i]) for i in told_here]
            mine = None if ours is None else [ours[i] for i in told_here]
            self._compare(table, key(row), theirs, mine, [table.columns[i] for i in told_here])
        return rows

    def place(self, thread_id: str, places: list[tuple[str, bool]]) -> None:
        super().place(thread_id, places)
        stored = ConversationMessage.objects.filter(conversation=thread_id).order_by("position")
        mine = [list(row) for row in stored.values_list("message_id", "in_context")]
        theirs = [list(place) for place in places]
        self._compare(PLACES, (thread_id,), [theirs], [mine], ["order"])

    def _compare(
        self, table: Table, key: tuple, theirs: list, mine: list | None, columns: list[str]
    ) -> None:
        for digest, values in zip(self.digests[table.name], (theirs, mine), strict=True):
            digest.update(orjson.dumps(values, default=str, option=orjson.OPT_SORT_KEYS))
        if theirs == mine:
            return
        self.differences += 1
        if mine is None:
            self.tell(f"{table.name} {key[0]}: is not here")
            return
        names = [name for name, a, b in zip(columns, theirs, mine, strict=True) if a != b]
        self.tell(f"{table.name} {key[0]}: {', '.join(names)} differ from V1")


def _plain(table: Table, index: int, value: Any) -> Any:
    """A value as the database gives it back: JSON read."""
    if value is not None and index in table.json_columns:
        return orjson.loads(value)
    return value
