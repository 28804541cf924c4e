"""The audit log, which the console shows and exports."""

import json
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse

from ..domain.audit import event_data
from ..models import AuditAction, AuditEvent
from .base import ConsoleAdmin, ReadOnly
from .display import json_panel


class ActionFilter(admin.SimpleListFilter):
    """Filter events by what was done."""

    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(action, action) for action in AuditAction]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly, ConsoleAdmin):
    """Events of the audit log, newest first."""

    ids = {"pk": "audit"}
    list_display = [
        *("created_at", "action", "actor", "object_type", "object_id", "source", "address"),
    ]
    list_filter = [ActionFilter, "created_at"]
    search_fields = ["actor", "=member_id", "=key_id", "=object_id", "=address", "=request_id"]
    date_hierarchy = "created_at"
    fields = [
        *("id", "created_at", "action", "actor", "member_id", "key_id", "source"),
        *("object_type", "object_id", "address", "request_id", "details_panel"),
    ]
    readonly_fields = ["details_panel"]
    actions = ["export_as_json_lines"]

    details_panel = json_panel("details", "details")

    @admin.action(description="Export selected rows as JSON lines", permissions=["view"])
    def export_as_json_lines(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent]
    ) -> StreamingHttpResponse:
        """Stream the selected events, one JSON object a line."""

        def lines() -> Iterator[str]:
            for event in queryset.iterator(chunk_size=500):
                yield json.dumps(event_data(event), ensure_ascii=False) + "\n"

        response = StreamingHttpResponse(lines(), content_type="application/x-ndjson")
        response.headers["Content-Disposition"] = 'attachment; filename="audit-events.jsonl"'
        return response
