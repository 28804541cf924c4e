"""Drift: how an isolated block, its base and the shared block differ. Its only definition."""

from django.db import models
from django.db.models import F, Value


class Drift(models.TextChoices):
    """How the base, the shared and the isolated text of one label differ."""

    IN_SYNC = "in_sync", "in sync"
    ISOLATED_CHANGED = "isolated_changed", "isolated changed"
    SHARED_CHANGED = "shared_changed", "shared changed"
    DIVERGED = "diverged", "diverged"
    SHARED_GONE = "shared_gone", "shared gone"


# The first two equal texts decide; without two equal texts it is DIVERGED.
_EQUAL_TEXTS = [
    ("isolated", "shared", Drift.IN_SYNC),
    ("shared", "base", Drift.ISOLATED_CHANGED),
    ("isolated", "base", Drift.SHARED_CHANGED),
]


def drift_of(*, base: str, shared: str | None, isolated: str) -> Drift:
    """Return the drift of these texts; `shared` is None when the agent lost the label."""
    if shared is None:
        return Drift.SHARED_GONE
    texts = {"base": base, "shared": shared, "isolated": isolated}
    for one, other, drift in _EQUAL_TEXTS:
        if texts[one] == texts[other]:
            return drift
    return Drift.DIVERGED


def drift_expression(*, base: str, shared: str, isolated: str) -> models.Case:
    """Return `drift_of` as SQL over the fields of these names."""
    fields = {"base": base, "shared": shared, "isolated": isolated}
    return models.Case(
        models.When(**{f"{shared}__isnull": True}, then=Value(Drift.SHARED_GONE)),
        *(
            models.When(**{fields[one]: F(fields[other])}, then=Value(drift))
            for one, other, drift in _EQUAL_TEXTS
        ),
        default=Value(Drift.DIVERGED),
        output_field=models.CharField(),
    )
