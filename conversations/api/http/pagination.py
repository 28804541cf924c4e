"""Pages by `before`, `after`, `limit` and `order`, where a cursor is the id of a row.

Every order is total: rows that tie on the field are ordered by id, so that paging neither repeats
nor skips one. Both cursors are relative to the order asked for.
"""

from dataclasses import dataclass
from typing import TypeVar

from django.db import models
from django.db.models import F, Q
from django.db.models.lookups import IsNull

from ...domain.errors import NotFound
from ...ids import is_id
from .errors import InvalidRequest
from .validation import Query

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True)
class Order:
    """An order by one field, with nulls last if it has any, and then by a tie breaker."""

    field: str
    descending: bool
    nullable: bool = False
    tie: str = "id"

    def keys(self, *, backwards: bool = False) -> list[models.expressions.OrderBy]:
        descending = self.descending != backwards
        keys = [F(self.field), F(self.tie)] if self.tie != self.field else [F(self.field)]
        order = [key.desc() if descending else key.asc() for key in keys]
        if self.nullable:
            nulls = IsNull(F(self.field), True)
            order.insert(0, nulls.desc() if backwards else nulls.asc())
        return order

    def beyond(self, row: models.Model, *, backwards: bool = False) -> Q:
        """The rows after `row` in this order, or those before it."""
        compare = "lt" if self.descending != backwards else "gt"
        value = getattr(row, self.field)
        tie = Q(**{f"{self.tie}__{compare}": getattr(row, self.tie)})
        if self.tie == self.field:
            return tie
        if not self.nullable:
            # The first condition says what the second implies; an index can begin there.
            return Q(**{f"{self.field}__{compare}e": value}) & (
                Q(**{f"{self.field}__{compare}": value}) | tie
            )
        null, not_null = Q(**{self.field: None}), ~Q(**{self.field: None})
        if value is None:
            return (not_null | (null & tie)) if backwards else (null & tie)
        same = Q(**{f"{self.field}__{compare}": value}) | (Q(**{self.field: value}) & tie)
        return same if backwards else (same | null)


def page(
    rows: models.QuerySet[Row],
    query: Query,
    *,
    cursors: models.QuerySet[Row],
    prefix: str,
    order: Order | None = None,
    id_field: str = "pk",
    oldest_first: bool = False,
) -> list[Row]:
    """Return one page of `rows`.

    `cursors` are the rows that a cursor may name by `id_field`. They include rows that are not
    listed, so that paging continues after the last seen row is deleted or archived.

    With `oldest_first`, as V1 lists messages of agents, the page is in ascending order even if
    `order` is descending, which then means the newest rows; `before` means older in either order.
    """
    order = order or Order(query["order_by"], query["order"] == "desc")
    is_turned = oldest_first and order.descending
    back, forth = ("after", "before") if is_turned else ("before", "after")
    for name, backwards in ((forth, False), (back, True)):
        if name in query:
            row = _cursor(name, query[name], cursors, prefix, id_field)
            rows = rows.filter(order.beyond(row, backwards=backwards))
    # The page before a cursor is the one that ends at it: read backwards, then reverse.
    backwards = back in query and forth not in query
    found = list(rows.order_by(*order.keys(backwards=backwards))[: query["limit"]])
    return found[::-1] if backwards != is_turned else found


def page_by_number(rows: models.QuerySet[Row], query: Query) -> list[Row]:
    """Return one page of rows by `number`, newest first. A cursor is any number."""
    if "after" in query:
        rows = rows.filter(number__lt=query["after"])
    if "before" in query:
        rows = rows.filter(number__gt=query["before"])
        if "after" not in query:
            return list(rows.order_by("number")[: query["limit"]])[::-1]
    return list(rows.order_by("-number")[: query["limit"]])


def _cursor(
    name: str, value: str, cursors: models.QuerySet[Row], prefix: str, id_field: str
) -> Row:
    if not is_id(prefix, value):
        raise InvalidRequest(f"{name}: expected {prefix}-<uuid4>, got {value!r}")
    row = cursors.filter(**{id_field: value}).first()
    if row is None:
        raise NotFound(f"{name}: no row with id '{value}' to page from")
    return row
