"""Filters of lists."""

from django.contrib import admin

from ..models import Drift
from ..models.blocks import NEARLY_FULL


class StateFilter(admin.SimpleListFilter):
    """Shows the first of the model admin's `states` unless asked for another, or for all.

    Whoever searches for an exact id finds the row in whatever state it is.
    """

    title = "state"
    parameter_name = "state"

    def lookups(self, request, model_admin):
        self.states = model_admin.states
        self.default = "all" if model_admin.names_a_row(request) else next(iter(self.states))
        return [(name, name.capitalize()) for name in [*self.states, "all"]]

    def value(self):
        return super().value() or self.default

    def queryset(self, request, queryset):
        state = self.states.get(self.value())
        return queryset.filter(state) if state else queryset

    def choices(self, changelist):
        _, *choices = super().choices(changelist)  # Django's own "All" would be a second one
        return choices


class DriftFilter(admin.SimpleListFilter):
    """By how the shared text and the isolated one differ; the database compares them."""

    title = "drift"
    parameter_name = "drift"

    def lookups(self, request, model_admin):
        return Drift.choices

    def queryset(self, request, queryset):
        return queryset.filter(drift=self.value()) if self.value() else queryset


class FillFilter(admin.SimpleListFilter):
    """By how much of its limit a block takes; the list annotates `characters`."""

    title = "limit"
    parameter_name = "fill"

    def lookups(self, request, model_admin):
        return [("nearly", f"{NEARLY_FULL:.0%} full or more")]

    def queryset(self, request, queryset):
        return queryset.nearly_full() if self.value() == "nearly" else queryset
