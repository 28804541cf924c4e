"""What V1 has changed in rows that came earlier, and nobody has changed here."""

from typing import Any

from django.db.models import Model

from ...domain.actor import Actor, Source
from ...domain.memory.blocks import write_block
from ...models import Block, BlockRevision, Conversation
from .tables import BLOCKS, CONVERSATIONS, RUNS, STEPS, Table
from .target import plain

IMPORT = Actor(None, Source.IMPORT)


def follow(table: Table, rows: list[tuple]) -> None:
    """Take the changes of rows that are stored already, where they can have any."""
    if table not in (BLOCKS, CONVERSATIONS, RUNS, STEPS):
        return
    stored: dict[str, Model] = table.model._default_manager.in_bulk([row[0] for row in rows])
    for row in rows:
        wanted = {name: plain(table, i, row[i]) for i, name in enumerate(table.columns)}
        found = stored[row[0]]
        if isinstance(found, Block):
            _follow_block(found, wanted)
        elif isinstance(found, Conversation):
            _follow_conversation(found, wanted)
        else:
            # V1's turns are over here, or were not yet when they came. Nothing here edits them.
            names = [name for name in table.columns if name not in table.untold]
            _take(found, {name: wanted[name] for name in names})


def _follow_block(block: Block, wanted: dict[str, Any]) -> None:
    changes = _changes(block, {name: wanted[name] for name in ("value", "limit", "description")})
    if changes and block.deleted_at is None:
        ours = BlockRevision.objects.filter(block=block).exclude(source=Source.IMPORT)
        if not ours.exists():
            write_block(block, by=IMPORT, reason="changed in V1 since", **changes)


def _follow_conversation(conversation: Conversation, wanted: dict[str, Any]) -> None:
    taken = {}
    if conversation.version == 1:  # Its own fields were not changed here.
        taken = {name: wanted[name] for name in ("summary", "model", "model_settings")}
    last, theirs = conversation.last_message_at, wanted["last_message_at"]
    if theirs is not None and (last is None or last < theirs):
        taken["last_message_at"] = theirs
    _take(conversation, taken)


def _changes(row: Model, wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if getattr(row, name) != value}


def _take(row: Model, wanted: dict[str, Any]) -> None:
    if changes := _changes(row, wanted):
        type(row)._default_manager.filter(pk=row.pk).update(**changes)
