"""Apply changes that V1 made to imported rows which nobody has changed here."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Model

from ...domain.actor import Actor, Source
from ...domain.memory.blocks import write_block
from ...models import Block, BlockRevision, Conversation
from .rows import BlockRow, ConversationRow, Row, RunRow, StepRow, model_fields, stored_values_of

IMPORT = Actor(None, Source.IMPORT)


def apply_changes(rows: Sequence[Row]) -> None:
    """Update the stored counterparts of rows of one class to what V1 says now."""
    row_class = type(rows[0])
    changeable = BlockRow | ConversationRow | RunRow | StepRow
    by_id = {row.id: row for row in rows if isinstance(row, changeable)}
    get_values = stored_values_of(row_class, tuple(model_fields(row_class)))
    for row_id, stored in row_class.django_model._default_manager.in_bulk(list(by_id)).items():
        values = get_values(by_id[row_id])
        if isinstance(stored, Block):
            _apply_to_block(stored, values)
        elif isinstance(stored, Conversation):
            _apply_to_conversation(stored, values)
        else:
            # Only V1 changes the runs and steps of its turns.
            names = set(values) - row_class.unverified
            _update(stored, {name: values[name] for name in names})


def _apply_to_block(block: Block, values: dict[str, Any]) -> None:
    changes = _changes(block, {name: values[name] for name in ("value", "limit", "description")})
    if changes and block.deleted_at is None:
        edited_here = BlockRevision.objects.filter(block=block).exclude(source=Source.IMPORT)
        if not edited_here.exists():
            write_block(block, by=IMPORT, reason="changed in V1", **changes)


def _apply_to_conversation(conversation: Conversation, values: dict[str, Any]) -> None:
    changes = {}
    if conversation.version == 1:  # Nobody has changed its settings here.
        changes = {name: values[name] for name in ("summary", "model", "model_settings")}
    stored_last, last = conversation.last_message_at, values["last_message_at"]
    if last is not None and (stored_last is None or stored_last < last):
        changes["last_message_at"] = last
    _update(conversation, changes)


def _changes(stored: Model, values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if getattr(stored, name) != value}


def _update(stored: Model, values: dict[str, Any]) -> None:
    if changes := _changes(stored, values):
        type(stored)._default_manager.filter(pk=stored.pk).update(**changes)
