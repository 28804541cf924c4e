"""Insert rows with given ids and times."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, models
from psycopg import sql

from ...ids import PrefixedUUIDField
from ...models.archives import VectorField
from ...tenancy import AccessSetter
from .rows import Row, model_fields, values_of


def stored_rows(rows: Sequence[Row]) -> "models.QuerySet[Any]":
    """Return the stored rows that equal one of these in the first column of the key."""
    column = rows[0].key[0]
    wanted = {getattr(row, column) for row in rows}
    stored = rows[0].django_model._default_manager.filter(**{f"{column}__in": wanted})
    return stored.order_by()


def insert_rows(rows: Sequence[Row]) -> None:
    """Insert rows of one class in one statement: COPY on PostgreSQL, where it is allowed."""
    if not rows:
        return
    fields = model_fields(type(rows[0]))
    get_values = values_of(tuple(fields))
    converters = [_converter(field) for field in fields.values()]
    options = rows[0].django_model._meta
    # The statements bypass the defaults of the model.
    others = [
        field
        for field in options.concrete_fields
        if not (field.null or field.primary_key or field.generated or field.attname in fields)
    ]
    defaults = [field.get_db_prep_save(field.get_default(), connection) for field in others]
    ready = [
        [
            value if convert is None or value is None else convert(value)
            for convert, value in zip(converters, get_values(row), strict=True)
        ]
        + defaults
        for row in rows
    ]
    names = [str(field.column) for field in [*fields.values(), *others]]
    with connection.cursor() as cursor:
        if _can_copy():
            copy_statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
                sql.Identifier(options.db_table), sql.SQL(", ").join(map(sql.Identifier, names))
            )
            # Django wraps the errors of statements, but not those of COPY.
            with connection.wrap_database_errors, cursor.copy(copy_statement) as copy:
                for values in ready:
                    copy.write_row(values)
            return
        quoted = ", ".join(connection.ops.quote_name(name) for name in names)
        marks = ", ".join(["%s"] * len(names))
        table = connection.ops.quote_name(options.db_table)
        statement = f"INSERT INTO {table} ({quoted}) VALUES ({marks})"  # noqa: S608  # names of models
        cursor.executemany(statement, ready)


def _can_copy() -> bool:
    # PostgreSQL refuses COPY into a table for a role that is subject to row-level security.
    is_postgres = connection.vendor == "postgresql"
    return is_postgres and not AccessSetter.of(connection).is_active(connection)


def _converter(field: "models.Field[Any, Any]") -> Callable[[Any], Any] | None:
    """Return how a value becomes what the database driver takes; None where it is that."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    if isinstance(field, PrefixedUUIDField):
        start = len(field.prefix) + 1
        if connection.vendor == "postgresql":
            return lambda value: value[start:]
        return lambda value: value[start:].replace("-", "")
    if isinstance(field, VectorField) and connection.vendor != "postgresql":
        return lambda value: field.get_db_prep_value(value, connection)
    if isinstance(field, models.DateTimeField) and connection.vendor != "postgresql":
        return _adapted
    return None


def _adapted(time: datetime) -> str | None:
    return connection.ops.adapt_datetimefield_value(time)
