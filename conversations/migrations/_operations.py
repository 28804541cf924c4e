"""Operations for big tables, which are in use while a server is upgraded.

A migration with one of them sets `atomic = False`. `tests/test_migration_rules.py` has the rules.
"""

from collections.abc import Callable
from typing import Any

from django.db import migrations, transaction
from django.db.models import Model, QuerySet

BATCH_SIZE = 1_000


class AddIndexConcurrently(migrations.AddIndex):
    """Add an index while the table is written to. After an interruption it can be run again."""

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        # An interrupted build leaves an invalid index.
        name = schema_editor.quote_name(self.index.name)
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        schema_editor.add_index(model, self.index, concurrently=True)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)
            return
        model = from_state.apps.get_model(app_label, self.model_name)
        schema_editor.remove_index(model, self.index, concurrently=True)


class UpdateInBatches(migrations.RunPython):
    """Change the rows of one table, batch by batch, each in a transaction of its own.

    `update` takes a query set with a batch of rows, and must be repeatable: after an interruption
    the migration starts from the beginning.
    """

    def __init__(self, model_name: str, update: Callable[["QuerySet[Model]"], Any]):
        self.model_name, self.update = model_name, update
        super().__init__(self._update_all, migrations.RunPython.noop, atomic=False)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [self.model_name, self.update], {}

    def _update_all(self, apps: Any, schema_editor: Any) -> None:
        rows = apps.get_model("conversations", self.model_name)._base_manager.order_by("pk")
        last = None
        while True:
            batch = rows.filter(pk__gt=last) if last is not None else rows
            keys = list(batch.values_list("pk", flat=True)[:BATCH_SIZE])
            if not keys:
                return
            with transaction.atomic(using=schema_editor.connection.alias):
                self.update(rows.filter(pk__in=keys))
            last = keys[-1]
