"""The pages of tools and of their attachments."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from ..domain.tools.catalog import ToolFields, delete_tool, update_tool, upsert_tool
from ..models import AgentTool, Tool
from .base import ConsoleAdmin, ReadOnly
from .display import link_to
from .fields import ObjectField, PlainTextField, WordsField
from .filters import live_or_deleted
from .forms import VerbForm
from .scope import actor


class ToolForm(VerbForm):
    """The fields of a tool."""

    source_code = PlainTextField(
        required=False,
        widget=forms.Textarea(
            attrs={"class": "vLargeTextField", "rows": 20, "spellcheck": "false"}
        ),
        help_text="Python. The last function is the tool; a change of it brings a new schema.",
    )
    json_schema = ObjectField(help_text="Empty to derive it from the source.")
    tags = WordsField()
    default_requires_approval = forms.BooleanField(
        required=False, help_text="Agents that it is attached to ask before each call."
    )


@admin.register(Tool)
class ToolAdmin(ConsoleAdmin):
    """Tools. Built-in ones are shown and not changed."""

    form = ToolForm
    consequence = "It is detached from its agents, and can't be restored."
    ids = {"pk": "tool", "agents": "agent"}
    list_display = ["name", "tool_type", "description", "updated_at"]
    list_filter = ["tool_type", "network", "created_at"]
    search_fields = ["name", "description"]
    deferred = ("source_code",)
    readonly_fields = [
        *("id", "name", "tool_type", "created_at", "created_by", "updated_at", "last_updated_by")
    ]
    options = (
        *("return_char_limit", "default_requires_approval", "enable_parallel_execution"),
        *("network", "tags"),
    )
    add_fieldsets: Any = [(None, {"fields": ["source_code", "json_schema", *options]})]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["name", "description", "source_code", "json_schema"]}),
        ("Options", {"fields": options}),
        ("Details", {"classes": ["collapse"], "fields": readonly_fields[:1] + readonly_fields[2:]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Let only superusers open the network: it leads to the server's own."""
        readonly = super().get_readonly_fields(request, obj)
        return readonly if request.user.is_superuser else [*readonly, "network"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_built_in = obj is not None and obj.is_built_in
        return super().has_change_permission(request, obj) and not is_built_in

    def write(self, request: HttpRequest, form: ToolForm) -> Tool:
        by, row = actor(request), form.instance
        if not row._state.adding:
            return update_tool(row, by=by, **self.changed_values(form, ToolFields))
        names = ToolFields.__annotations__
        values: Any = {name: value for name, value in form.cleaned_data.items() if name in names}
        return upsert_tool(self.organization_for(request, form), by=by, **values)

    def delete_model(self, request: HttpRequest, obj: Tool) -> None:
        delete_tool(obj, by=actor(request))


@admin.register(AgentTool)
class AgentToolAdmin(ReadOnly, ConsoleAdmin):
    """Attached tools of all agents; attached and detached on an agent's page."""

    organization_path = "agent__organization"
    ids = {"agent": "agent", "tool": "tool"}
    list_display = ["tool_link", "agent_link", "position"]
    list_select_related = ["agent", "tool"]
    search_fields = ["tool__name", "agent__name"]
    states = live_or_deleted("agent")
    deferred = ("agent__system", "tool__source_code")
    fields = ["tool_link", "agent_link", "position"]
    readonly_fields = ["tool_link", "agent_link"]
    ordering = ["-id"]

    agent_link = link_to("agent")
    tool_link = link_to("tool")
