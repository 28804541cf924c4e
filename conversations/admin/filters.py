"""Filters of lists."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from ..domain.runs.finish import ERROR_TYPES
from ..models import Drift
from ..models.blocks import NEARLY_FULL


def titled(
    field: str, title: str, filter_class: type[admin.FieldListFilter] = admin.BooleanFieldListFilter
) -> tuple[str, type[admin.FieldListFilter]]:
    """Return a `list_filter` entry for a field under another title than its name."""

    class TitledFilter(filter_class):  # type: ignore[misc, valid-type]  # chosen by the caller
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.title = title

    return (field, TitledFilter)


def live_or_deleted(*paths: str) -> dict[str, Q]:
    """Return the states of rows that are hidden when a row at one of these paths is deleted."""
    live = Q(**{f"{path}__deleted_at": None for path in paths})
    return {"live": live, "deleted": ~live}


class StateFilter(admin.SimpleListFilter):
    """Show the first of the model admin's `states`, unless another one or "all" is chosen.

    A search for the id of a row finds it in any state.
    """

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.states = model_admin.states
        self.default = "all" if model_admin.searches_one_row(request) else next(iter(self.states))
        return [(name, name.capitalize()) for name in [*self.states, "all"]]

    def value(self) -> str:
        return super().value() or self.default

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        state = self.states.get(self.value())
        return queryset.filter(state) if state else queryset

    def choices(self, changelist: Any) -> Any:
        _, *choices = super().choices(changelist)  # the first is Django's own "All"
        return choices


class DriftFilter(admin.SimpleListFilter):
    """Filter isolated blocks by drift."""

    title = "drift"
    parameter_name = "drift"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(Drift.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(drift=self.value()) if self.value() else queryset


class RunErrorFilter(admin.SimpleListFilter):
    """Filter runs by the type of their error."""

    title = "error type"
    parameter_name = "error_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted(ERROR_TYPES)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(error_type=self.value()) if self.value() else queryset


class FillFilter(admin.SimpleListFilter):
    """Filter blocks by how much of their limit they use."""

    title = "limit"
    parameter_name = "fill"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("nearly", f"{NEARLY_FULL:.0%} full or more")]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Any]:
        full: QuerySet[Any] = queryset.nearly_full() if self.value() == "nearly" else queryset
        return full
