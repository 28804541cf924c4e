"""Writing rows with the columns of V1, ids and times included, past the models' own defaults."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import connection, models
from psycopg import sql

from ...ids import PrefixedUUIDField
from .tables import Table


def existing_keys(table: Table, rows: list[tuple]) -> set[tuple]:
    """The keys of those rows that are stored already."""
    if not rows:
        return set()
    first = table.columns.index(table.key[0])
    wanted = {row[first] for row in rows}
    stored = table.model._default_manager.filter(**{f"{table.key[0]}__in": wanted})
    return set(stored.order_by().values_list(*table.key))


def key_of(table: Table) -> Callable[[tuple], tuple]:
    places = [table.columns.index(name) for name in table.key]
    return lambda row: tuple(row[place] for place in places)


def insert_rows(table: Table, rows: list[tuple]) -> None:
    """Insert in one statement: COPY on PostgreSQL."""
    if not rows:
        return
    steps = [_converter(field) for field in table.fields]
    ready = [
        [
            value if step is None or value is None else step(value)
            for step, value in zip(steps, row, strict=True)
        ]
        for row in rows
    ]
    name = table.model._meta.db_table
    columns = [str(field.column) for field in table.fields]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            names = sql.SQL(", ").join([sql.Identifier(column) for column in columns])
            into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(name), names)
            # Django wraps the errors of statements, not those of COPY.
            with connection.wrap_database_errors, cursor.copy(into) as copy:
                for row in ready:
                    copy.write_row(row)
            return
        quoted = ", ".join(connection.ops.quote_name(column) for column in columns)
        marks = ", ".join(["%s"] * len(columns))
        statement = f"INSERT INTO {connection.ops.quote_name(name)} ({quoted}) VALUES ({marks})"  # noqa: S608 (names of models)
        cursor.executemany(statement, ready)


def _converter(field: models.Field) -> Callable[[Any], Any] | None:
    """How a value becomes what the database's driver takes. JSON is text already."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    if isinstance(field, PrefixedUUIDField):
        skipped = len(field.prefix) + 1
        if connection.vendor == "postgresql":
            return lambda value: value[skipped:]
        return lambda value: value[skipped:].replace("-", "")
    if isinstance(field, models.DateTimeField) and connection.vendor != "postgresql":
        return _adapted
    return None


def _adapted(moment: datetime) -> str | None:
    return connection.ops.adapt_datetimefield_value(moment)


def plain(table: Table, index: int, value: Any) -> Any:
    """A value as the database gives it back: JSON read."""
    if value is not None and index in table.json_columns:
        # Not orjson, which rounds integers of more than 64 bits.
        return json.loads(value)
    return value
