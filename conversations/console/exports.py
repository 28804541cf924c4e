"""CSV export of a list: the columns on the page and the selected rows, after their ids."""

import csv
from collections.abc import Iterator
from datetime import datetime
from html import unescape
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.html import strip_tags
from django.utils.safestring import SafeString

from ..domain.audit import record
from ..models import AuditAction

# A spreadsheet evaluates a cell that begins with one of these as a formula.
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n")


class Echo:
    """A file for csv.writer that returns each line instead of storing it."""

    def write(self, line: str) -> str:
        """Return the line."""
        return line


@admin.action(description="Export selected rows as CSV", permissions=["view"])
def export_as_csv(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[Model]
) -> StreamingHttpResponse:
    """Stream the selected rows as CSV, the id in the first column."""
    # The package registers its pages on the site that imports this module.
    from ..admin.scope import actor, organization_of  # noqa: PLC0415

    record(
        AuditAction.EXPORTED,
        by=actor(request),
        organization=organization_of(request),
        table=str(model_admin.opts.model_name),
        rows=queryset.count(),
    )
    shown = model_admin.get_list_display(request)
    columns = [name for name in shown if name not in ("action_checkbox", "id")]
    titles = [label_for_field(name, model_admin.model, model_admin) for name in columns]

    def lines() -> Iterator[str]:
        writer = csv.writer(Echo())
        yield writer.writerow(["id", *(_escape(str(title)) for title in titles)])
        for row in queryset.iterator(chunk_size=500):
            yield writer.writerow([row.pk, *(_cell(row, name, model_admin) for name in columns)])

    response = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    name = f"{model_admin.opts.model_name}s.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _cell(row: Model, name: str, model_admin: Any) -> str:
    try:
        _, _, value = lookup_field(name, row, model_admin)
    except ObjectDoesNotExist:
        return ""
    if value is None or value == "-":
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, SafeString):
        value = unescape(strip_tags(value))
    return _escape(value) if isinstance(value, str) else str(value)


def _escape(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_PREFIXES) else text
