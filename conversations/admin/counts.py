"""What an operator looks at first: how many there are, and where to find them."""

from typing import NamedTuple

from django.db.models import Count

from ..models import Block, Conversation, Drift, IsolatedBlock, Run
from .display import list_url


class Figure(NamedTuple):
    title: str
    number: int
    url: str
    kind: str = ""


def figures(site, request) -> list[Figure]:
    """The counts that matter, of what the operator may see. A query for each kind."""
    found: list[Figure] = []
    if rows := live(site, request, Conversation):
        found.append(Figure("conversations", rows().count(), list_url("conversation")))
    if rows := live(site, request, IsolatedBlock):
        counts = counted(rows(), "drift")
        for drift in Drift:
            url = list_url("isolatedblock", f"?drift={drift}")
            title = f"isolated: {drift.label}"
            found.append(Figure(title, counts.get(drift, 0), url, f"drift-{drift}"))
    if rows := live(site, request, Run):
        counts = counted(rows(), "status")
        for status in (Run.Status.RUNNING, Run.Status.FAILED):
            url = list_url("run", f"?status__exact={status}")
            found.append(Figure(f"turns {status}", counts.get(status, 0), url, f"run-{status}"))
    if rows := live(site, request, Block):
        for state in ("shared", "isolated"):
            number = rows(state).nearly_full().count()
            url = list_url("block", f"?state={state}&fill=nearly")
            found.append(Figure(f"{state} blocks nearly full", number, url, "deleted"))
    return found


def counted(rows, field) -> dict[str, int]:
    groups = rows.order_by().values(field).annotate(rows=Count("pk"))
    return dict(groups.values_list(field, "rows"))


def live(site, request, model):
    """A function that answers the rows of a state as the model's list shows them, the first state
    unless it is named; None for whoever may not see the list."""
    model_admin = site.get_model_admin(model)
    if not model_admin.has_view_permission(request):
        return None

    def rows(state=None):
        state = state or next(iter(model_admin.states))
        return model_admin.get_queryset(request).filter(model_admin.states[state])

    return rows
