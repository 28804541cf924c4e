"""The lists of runs, their steps and their events."""

from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..models import Run, RunEvent, Step
from .base import ConsoleAdmin, ReadOnly
from .display import badge, excerpt, format_json, format_tokens, json_panel, link_to, list_url
from .filters import RunErrorFilter, live_or_deleted


@admin.display(description="tokens")
def _tokens(model_admin: Any, row: Run | Step) -> str:
    return format_tokens(row.usage)


class StepInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    """The steps of a run."""

    model = Step
    fields = ["number", "model", "stop_reason", "tokens", "error"]
    readonly_fields = ["tokens"]
    show_change_link = True

    tokens = _tokens


@admin.register(Run)
class RunAdmin(ReadOnly, ConsoleAdmin):
    """Runs of all conversations: status, errors, tokens and duration."""

    ids = {"pk": "run", "agent": "agent", "conversation": "conv"}
    list_display = [
        *("created_at", "state", "conversation_link", "agent_link", "stop_reason"),
        *("error_type", "attempts", "tokens", "duration"),
    ]
    list_filter = ["status", RunErrorFilter, "background", "created_at"]
    list_select_related = ["agent", "conversation"]
    search_fields = ["agent__name", "conversation__summary", "error", "worker"]
    date_hierarchy = "created_at"
    states = live_or_deleted("agent", "conversation")
    deferred = ("agent__system",)
    inlines = [StepInline]
    fields = [
        *("id", "state", "agent_link", "conversation_link", "stop_reason", "error_type", "error"),
        *(
            "tokens",
            "duration",
            "background",
            "worker",
            "attempts",
            "queue_position",
            "heartbeat_at",
            "started_at",
            "completed_at",
        ),
        *("created_at", "created_by", "metadata", "request_config", "events"),
    ]
    readonly_fields = [
        "queue_position",
        "state",
        "agent_link",
        "conversation_link",
        "tokens",
        "duration",
        "events",
    ]

    @admin.display(description="status", ordering="status")
    def state(self, run: Run) -> SafeString:
        return badge(f"run-{run.status}", run.status)

    agent_link = link_to("agent")
    conversation_link = link_to("conversation")
    tokens = _tokens

    @admin.display(description="duration", ordering="total_duration_ns")
    def duration(self, run: Run) -> str:
        ns = run.total_duration_ns
        return "-" if ns is None else f"{ns / 1e9:.2f} s"

    @admin.display(description="events")
    def events(self, run: Run) -> SafeString:
        url = list_url("runevent", f"?run__id__exact={run.pk}")
        return format_html('<a href="{}">Show events</a>', url)


@admin.register(Step)
class StepAdmin(ReadOnly, ConsoleAdmin):
    """Model calls of all runs, with the blocks that each one was sent."""

    ids = {"pk": "step", "run": "run"}
    list_display = ["created_at", "run_link", "number", "model", "stop_reason", "tokens"]
    list_filter = ["created_at"]
    list_select_related = ["run"]
    search_fields = ["model", "error"]
    ordering = ["-created_at", "-id"]
    fields = [
        *("id", "run_link", "number", "model", "stop_reason", "tokens", "blocks", "error"),
        "created_at",
    ]
    readonly_fields = ["run_link", "tokens", "blocks"]

    run_link = link_to("run")
    tokens = _tokens
    blocks = json_panel("blocks_seen", "blocks sent")


@admin.register(RunEvent)
class RunEventAdmin(ReadOnly, ConsoleAdmin):
    """Stored events of the runs' streams."""

    organization_path = "run__organization"
    ids = {"run": "run"}
    list_display = ["created_at", "run_link", "seq", "beginning"]
    list_filter = ["created_at"]
    list_select_related = ["run"]
    search_fields = ["run__conversation__summary"]
    ordering = ["-id"]
    fields = ["run_link", "seq", "created_at", "event"]
    readonly_fields = ["run_link", "event"]

    run_link = link_to("run")
    event = json_panel("data", "event")

    @admin.display(description="event")
    def beginning(self, event: RunEvent) -> str:
        return excerpt(format_json(event.data))
