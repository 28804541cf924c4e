"""Read many rows with bounded memory."""

from collections.abc import Iterator
from typing import TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)

BATCH_SIZE = 500


def in_batches(rows: QuerySet[Row], size: int = BATCH_SIZE) -> Iterator[list[Row]]:
    """Yield the rows in the order of their ids, `size` at a time.

    One query per batch, so the caller may write between two batches.
    """
    rows = rows.order_by("pk")
    batch = list(rows[:size])
    while batch:
        yield batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:size])
