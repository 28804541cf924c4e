"""The counts on the index, each with a link to the list that it counts."""

from typing import Any, NamedTuple

from django.contrib.admin import AdminSite
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from ..models import Block, Conversation, Drift, IsolatedBlock, Run


class Figure(NamedTuple):
    """One count; `kind` is the badge that a number above zero gets."""

    title: str
    number: int
    url: str
    kind: str = ""


def figures(site: AdminSite, request: HttpRequest) -> list[Figure]:
    """Return the counts of the lists that the operator may view, one query for each kind."""
    found: list[Figure] = []
    if (rows := _rows(site, request, Conversation)) is not None:
        found.append(Figure("conversations", rows.count(), _list_url("conversation")))
    if (rows := _rows(site, request, IsolatedBlock)) is not None:
        counts = _count_by(rows, "drift")
        for drift in Drift:
            url = _list_url("isolatedblock", f"?drift={drift}")
            found.append(Figure(drift.label, counts.get(drift, 0), url, f"drift-{drift}"))
    if (rows := _rows(site, request, Run)) is not None:
        counts = _count_by(rows, "status")
        for status in (Run.Status.RUNNING, Run.Status.FAILED):
            url = _list_url("run", f"?status__exact={status}")
            found.append(Figure(f"runs {status}", counts.get(status, 0), url, f"run-{status}"))
    for state in ("shared", "isolated"):
        if (blocks := _rows(site, request, Block, state)) is not None:
            number = blocks.nearly_full().count()
            url = _list_url("block", f"?state={state}&fill=nearly")
            found.append(Figure(f"{state} blocks nearly full", number, url, "deleted"))
    return found


def _list_url(model_name: str, query: str = "") -> str:
    return reverse(f"admin:conversations_{model_name}_changelist") + query


def _count_by(rows: QuerySet[Any], field: str) -> dict[str, int]:
    groups = rows.order_by().values(field).annotate(number=Count("pk"))
    return dict(groups.values_list(field, "number"))


def _rows(site: AdminSite, request: HttpRequest, model: type[Model], state: str = "") -> Any:
    """Return the rows of the model's list in a state, by default its first; None if forbidden."""
    model_admin: Any = site.get_model_admin(model)
    if not model_admin.has_view_permission(request):
        return None
    state = state or next(iter(model_admin.states))
    return model_admin.get_queryset(request).filter(model_admin.states[state])
