"""The lists of runs, their steps and their events."""

from django.contrib import admin
from django.db.models import Q
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..models import Run, RunEvent, Step
from .base import ConsoleAdmin, ReadOnly
from .display import badge, excerpt, format_json, format_tokens, link, list_url, preformatted


class StepInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    """The steps of a run."""

    model = Step
    readonly_fields = ["number", "model", "stop_reason", "tokens", "error"]
    extra = 0
    show_change_link = True

    @admin.display(description="tokens")
    def tokens(self, step: Step) -> str:
        """Return the total tokens."""
        return format_tokens(step.usage)


@admin.register(Run)
class RunAdmin(ReadOnly, ConsoleAdmin):
    """Runs of all conversations: status, errors, tokens and duration."""

    ids = {"pk": "run", "agent": "agent", "conversation": "conv"}
    list_display = [
        *("created_at", "state", "conversation_link", "agent_link", "stop_reason"),
        *("tokens", "duration"),
    ]
    list_filter = ["status", "background", "created_at"]
    list_select_related = ["agent", "conversation"]
    search_fields = ["agent__name", "conversation__summary", "error", "worker"]
    date_hierarchy = "created_at"
    states = {
        "live": Q(agent__deleted_at=None, conversation__deleted_at=None),
        "deleted": Q(agent__deleted_at__isnull=False) | Q(conversation__deleted_at__isnull=False),
    }
    deferred = ("agent__system",)
    inlines = [StepInline]
    fields = [
        *("id", "state", "agent_link", "conversation_link", "stop_reason", "error", "tokens"),
        *("duration", "background", "worker", "heartbeat_at", "started_at", "completed_at"),
        *("created_at", "created_by", "metadata", "request_config", "events"),
    ]
    readonly_fields = ["state", "agent_link", "conversation_link", "tokens", "duration", "events"]

    @admin.display(description="status", ordering="status")
    def state(self, run: Run) -> SafeString:
        """Return the status as a badge."""
        return badge(f"run-{run.status}", run.status)

    @admin.display(description="agent")
    def agent_link(self, run: Run) -> SafeString | str:
        """Return a link to the agent."""
        return link(run.agent)

    @admin.display(description="conversation")
    def conversation_link(self, run: Run) -> SafeString | str:
        """Return a link to the conversation."""
        return link(run.conversation)

    @admin.display(description="tokens")
    def tokens(self, run: Run) -> str:
        """Return the total tokens."""
        return format_tokens(run.usage)

    @admin.display(description="duration", ordering="total_duration_ns")
    def duration(self, run: Run) -> str:
        """Return the duration in seconds."""
        ns = run.total_duration_ns
        return "-" if ns is None else f"{ns / 1e9:.2f} s"

    @admin.display(description="events")
    def events(self, run: Run) -> SafeString:
        """Return a link to the events."""
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

    @admin.display(description="run")
    def run_link(self, step: Step) -> SafeString | str:
        """Return a link to the run."""
        return link(step.run)

    @admin.display(description="tokens")
    def tokens(self, step: Step) -> str:
        """Return the total tokens."""
        return format_tokens(step.usage)

    @admin.display(description="blocks sent")
    def blocks(self, step: Step) -> SafeString:
        """Return the ids and versions of the blocks as JSON."""
        return preformatted(format_json(step.blocks_seen))


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

    @admin.display(description="run")
    def run_link(self, event: RunEvent) -> SafeString | str:
        """Return a link to the run."""
        return link(event.run)

    @admin.display(description="event")
    def beginning(self, event: RunEvent) -> str:
        """Return the beginning of the event."""
        return excerpt(format_json(event.data))

    @admin.display(description="event")
    def event(self, event: RunEvent) -> SafeString:
        """Return the event as JSON."""
        return preformatted(format_json(event.data))
