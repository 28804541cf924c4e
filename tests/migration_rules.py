"""What a migration may do to tables that are big and in use while a server is upgraded."""

import re
from collections.abc import Iterator

from django.db import migrations

from conversations.migrations._operations import AddIndexConcurrently, UpdateInBatches

# Their rows grow with the number of agents and people; those of all others with use.
SMALL = {"organization", "member", "apikey", "agent", "agentblock"}


def problems(migration: migrations.Migration) -> list[str]:
    """Return what would lock or rewrite a big table for long."""
    new = {
        operation.name.lower()
        for operation in migration.operations
        if isinstance(operation, migrations.CreateModel)
    }
    return [
        f"{migration.name}: {problem}"
        for operation in migration.operations
        for problem in _problems(operation, SMALL | new)
    ] + [
        f"{migration.name}: set atomic = False"
        for operation in migration.operations
        if isinstance(operation, AddIndexConcurrently | UpdateInBatches) and migration.atomic
    ]


def _problems(operation, harmless: set[str]) -> Iterator[str]:
    if isinstance(operation, AddIndexConcurrently | UpdateInBatches):
        return
    table = getattr(operation, "model_name", "").lower()
    is_big = bool(table) and table not in harmless
    match operation:
        case migrations.AddIndex() if is_big:
            yield f"build the index {operation.index.name} of {table} by AddIndexConcurrently"
        case migrations.AddConstraint() if is_big:
            name = operation.constraint.name
            yield f"add {name} of {table} as NOT VALID, or by a unique index built concurrently"
        case migrations.AddField() | migrations.AlterField() if is_big:
            field = operation.field
            if field.db_index or field.unique:
                yield f"{table}.{operation.name}: without db_index; add the index concurrently"
        case migrations.RunPython():
            yield "change rows by UpdateInBatches"
        case migrations.RunSQL():
            text = str(operation.sql)
            if re.search(r"(?i)create\s+(unique\s+)?index\s+(?!concurrently)", text):
                yield "RunSQL: CREATE INDEX without CONCURRENTLY"
            if re.search(r"(?i)^\s*(update|delete)\b", text):
                yield "change rows by UpdateInBatches"
