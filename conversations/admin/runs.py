from django.contrib import admin
from django.db.models import Q
from django.utils.html import format_html

from ..models import Run, RunEvent, Step
from .base import ConsoleAdmin, ReadOnly
from .display import badge, link, list_url, pretty, tokens_of


class StepInline(ReadOnly, admin.TabularInline):
    model = Step
    fields = readonly_fields = ["number", "model", "stop_reason", "tokens", "error"]
    extra = 0
    show_change_link = True

    @admin.display(description="tokens")
    def tokens(self, step):
        return tokens_of(step.usage)


@admin.register(Run)
class RunAdmin(ReadOnly, ConsoleAdmin):
    """Turns: what is under way, what failed, what it cost."""

    ids = {"pk": "run", "agent": "agent", "conversation": "conv"}
    list_display = ["created_at", "state", "conversation_link", "agent_link", "stop_reason"]
    list_display += ["tokens", "duration"]
    list_filter = ["status", "background", "created_at"]
    list_select_related = ["agent", "conversation"]
    search_fields = ["agent__name", "conversation__summary", "error", "worker"]
    date_hierarchy = "created_at"
    states = {
        "live": Q(agent__deleted_at=None, conversation__deleted_at=None),
        "deleted": Q(agent__deleted_at__isnull=False) | Q(conversation__deleted_at__isnull=False),
    }
    texts = ("agent__system",)
    inlines = [StepInline]
    fields = ["id", "state", "agent_link", "conversation_link", "stop_reason", "error", "tokens"]
    fields += ["duration", "background", "worker", "heartbeat_at", "started_at", "completed_at"]
    fields += ["created_at", "created_by", "metadata", "request_config", "events"]
    readonly_fields = ["state", "agent_link", "conversation_link", "tokens", "duration", "events"]

    @admin.display(description="status", ordering="status")
    def state(self, run):
        return badge(f"run-{run.status}", run.status)

    @admin.display(description="agent")
    def agent_link(self, run):
        return link(run.agent)

    @admin.display(description="conversation")
    def conversation_link(self, run):
        return link(run.conversation)

    @admin.display(description="tokens")
    def tokens(self, run):
        return tokens_of(run.usage)

    @admin.display(description="took", ordering="total_duration_ns")
    def duration(self, run):
        ns = run.total_duration_ns
        return "-" if ns is None else f"{ns / 1e9:.2f} s"

    @admin.display(description="events")
    def events(self, run):
        url = list_url("runevent", f"?run__id__exact={run.pk}")
        return format_html('<a href="{}">Show the events of its stream</a>', url)


@admin.register(Step)
class StepAdmin(ReadOnly, ConsoleAdmin):
    """Calls of the model, with the memory each was shown."""

    ids = {"pk": "step", "run": "run"}
    list_display = ["created_at", "run_link", "number", "model", "stop_reason", "tokens"]
    list_filter = ["created_at"]
    list_select_related = ["run"]
    search_fields = ["model", "error"]
    ordering = ["-created_at", "-id"]
    fields = ["id", "run_link", "number", "model", "stop_reason", "tokens", "seen", "error"]
    fields += ["created_at"]
    readonly_fields = ["run_link", "tokens", "seen"]

    @admin.display(description="run")
    def run_link(self, step):
        return link(step.run)

    @admin.display(description="tokens")
    def tokens(self, step):
        return tokens_of(step.usage)

    @admin.display(description="blocks seen")
    def seen(self, step):
        return format_html('<pre class="text">{}</pre>', pretty(step.blocks_seen))


@admin.register(RunEvent)
class RunEventAdmin(ReadOnly, ConsoleAdmin):
    """The pieces of runs' streams."""

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
    def run_link(self, event):
        return link(event.run)

    @admin.display(description="event")
    def beginning(self, event):
        return pretty(event.data)[:120]

    @admin.display(description="event")
    def event(self, event):
        return format_html('<pre class="text">{}</pre>', pretty(event.data))
