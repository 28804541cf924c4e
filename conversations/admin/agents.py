"""The pages of agents and of their attached blocks."""

from collections import defaultdict
from typing import Any, ClassVar, NamedTuple

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from ..domain.conversations.agents import (
    AgentFields,
    attach_block,
    create_agent,
    delete_agent,
    detach_block,
    move_block,
    restore_agent,
    update_agent,
)
from ..domain.errors import InvalidArgument
from ..domain.memory.bulk import isolations_of
from ..domain.memory.prompt import DEFAULT_SYSTEM_PROMPT
from ..domain.tools.catalog import named_tools
from ..domain.tools.definitions import BASE_TOOLS
from ..domain.tools.rules import with_approvals
from ..domain.tools.variables import MASK
from ..models import Agent, AgentBlock, Block, Drift, IsolatedBlock
from .base import ConsoleAdmin, ReadOnly, bulk_action
from .bulk import VERBS, apply_in_bulk
from .display import link_to, list_url
from .fields import ObjectField, SecretsField, WordsField
from .filters import live_or_deleted
from .forms import VerbForm
from .row_views import row_view
from .scope import actor

SETTINGS = [
    *("fallback_model", "on_busy"),
    *("context_window_limit", "timezone", "model_settings", "agent_type", "embedding"),
    *("metadata", "hidden"),
]


class AgentForm(VerbForm):
    """The fields of an agent."""

    isolated_labels = WordsField(
        help_text="The isolation policy: labels that every new conversation isolates, separated "
        "by commas, or a JSON array."
    )
    tool_names = WordsField(
        label="Tools", help_text="Names of the tools that it may call, separated by commas."
    )
    approval_tools = WordsField(
        help_text="Names of tools whose calls a person must approve, separated by commas."
    )
    secrets = SecretsField()
    tags = WordsField()
    model_settings = ObjectField()
    metadata = ObjectField(empty={})
    hidden = forms.BooleanField(required=False, help_text="Leave it out of lists.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        agent = self.instance
        if not agent._state.adding:
            links = agent.tool_links.in_order()
            self.initial["tool_names"] = list(links.values_list("tool__name", flat=True))
            self.initial["approval_tools"] = sorted(agent.approval_tools)
            names = agent.variables.order_by("name").values_list("name", flat=True)
            self.initial["secrets"] = dict.fromkeys(names, MASK)


class AttachForm(forms.Form):
    """Choose a shared block of the agent's organization."""

    def __init__(self, agent: Agent, admin_site: admin.AdminSite) -> None:
        super().__init__()
        self.fields["block"] = forms.ModelChoiceField(
            attachable_blocks(agent),
            widget=AutocompleteSelect(
                AgentBlock._meta.get_field("block"), admin_site, attrs={"form": "row-view"}
            ),
            label="Attach a block",
        )


def attachable_blocks(agent: Agent) -> QuerySet[Block]:
    """Return the shared blocks of the agent's organization."""
    return Block.objects.ordinary().in_organization(agent.organization_id)


def chosen_block(blocks: QuerySet[Block], pk: str | None) -> Block:
    """Return the block that a form names, or raise InvalidArgument."""
    try:
        block: Block = forms.ModelChoiceField(blocks).clean(pk)
    except ValidationError as error:
        raise InvalidArgument(" ".join(error.messages)) from None
    return block


@admin.register(Agent)
class AgentAdmin(ConsoleAdmin):
    """Agents, their attached blocks and the drift of their conversations' isolated blocks."""

    form = AgentForm
    consequence = "Its conversations are hidden with it; its shared blocks stay."
    change_form_template = "admin/conversations/agent/change_form.html"
    states = {"live": Q(deleted_at=None), "deleted": Q(deleted_at__isnull=False)}
    choosable = Q(deleted_at=None)
    deferred = ("system", "description")
    ids = {"pk": "agent", "blocks": "block"}
    list_display = ["name", "model", "labels", "conversations", "tag_list", "created_at"]
    list_filter = ["hidden", "created_at"]
    search_fields = ["name", "description", "model"]
    actions = ["restore_selected"]
    row_views = ("attach", "detach", "move", "drift", "bulk")
    readonly_fields = [
        *("id", "deleted_at", "created_at", "created_by", "updated_at", "last_updated_by")
    ]
    add_fieldsets: Any = [
        (None, {"fields": ["name", "description", "model", "system"]}),
        ("Tools and tags", {"fields": ["tool_names", "approval_tools", "secrets", "tags"]}),
        ("Settings", {"classes": ["collapse"], "fields": SETTINGS}),
    ]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["name", "description", "model", "system", "isolated_labels"]}),
        *add_fieldsets[1:],
        ("Details", {"classes": ["collapse"], "fields": readonly_fields}),
    ]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        own = {"system": DEFAULT_SYSTEM_PROMPT, "tool_names": BASE_TOOLS}
        return {**own, **super().get_changeform_initial_data(request)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        labels = Prefetch("block_links", AgentBlock.objects.in_prompt_order())
        return super().get_queryset(request).prefetch_related(labels)

    @admin.display(description="blocks")
    def labels(self, agent: Agent) -> str:
        return ", ".join(attached.label for attached in agent.block_links.all()) or "-"

    @admin.display(description="tags")
    def tag_list(self, agent: Agent) -> str:
        return ", ".join(map(str, agent.tags)) or "-"

    @admin.display(description="conversations")
    def conversations(self, agent: Agent) -> SafeString:
        return format_html('<a href="{}">Show</a>', conversations_url(agent))

    # Writing

    def write(self, request: HttpRequest, form: AgentForm) -> Agent:
        by, data, row = actor(request), form.cleaned_data, form.instance
        is_new = row._state.adding
        organization = self.organization_for(request, form) if is_new else row.organization
        names = AgentFields.__annotations__
        values: Any = (
            {name: data[name] for name in data if name in names}
            if is_new
            else self.changed_values(form, AgentFields)
        )
        if "tool_names" in form.changed_data or is_new:
            values["tools"] = named_tools(organization, data["tool_names"])
        if "secrets" in form.changed_data:
            values["variables"] = data["secrets"]
        if "approval_tools" in form.changed_data:
            values["tool_rules"] = with_approvals(row.tool_rules, data["approval_tools"])
        if is_new:
            return create_agent(organization, by=by, **values)
        return update_agent(row, by=by, **values)

    def delete_model(self, request: HttpRequest, obj: Agent) -> None:
        delete_agent(obj, by=actor(request))

    restore_selected = bulk_action(
        restore_agent,
        "Restore",
        "Restored",
        "Their conversations are restored too, except those that were deleted separately.",
    )

    # The attached blocks

    @row_view("change", "POST")
    def attach(self, request: HttpRequest, agent: Agent) -> HttpResponse:
        """Attach a block."""
        block = chosen_block(attachable_blocks(agent), request.POST.get("block"))
        attach_block(agent, block, by=actor(request))
        return self.succeed(request, agent, f"Attached the block {block.label}.")

    @row_view("change", "POST")
    def detach(self, request: HttpRequest, agent: Agent) -> HttpResponse:
        """Detach a block."""
        block = chosen_block(agent.blocks.all(), request.POST.get("block"))
        detach_block(agent, block, by=actor(request))
        message = f"Detached the block {block.label}. Isolated blocks of this label stay."
        return self.succeed(request, agent, message)

    @row_view("change", "POST")
    def move(self, request: HttpRequest, agent: Agent) -> HttpResponse:
        """Move the block that `up` or `down` names by one place in the prompt."""
        direction = "up" if "up" in request.POST else "down"
        block = chosen_block(agent.blocks.all(), request.POST.get(direction))
        move_block(agent, block, places=-1 if direction == "up" else 1, by=actor(request))
        return self.succeed(request, agent, f"Moved the block {block.label} {direction}.")

    # The isolated blocks of its conversations

    def has_bulk_permission(self, request: HttpRequest, agent: Agent) -> bool:
        """Return whether the operator may change conversations and view this agent."""
        may_write = request.user.has_perm("conversations.change_conversation")
        return may_write and not agent.deleted_at and self.has_view_permission(request, agent)

    @row_view("view", "GET")
    def drift(self, request: HttpRequest, agent: Agent) -> HttpResponse:
        """Count the isolated blocks of its conversations by label and drift."""
        context = {"title": "Isolated blocks", "labels": drift_counts(agent), "drifts": Drift}
        return self.render_page(request, "drift", agent, context)

    @row_view("bulk", "GET", "POST")
    def bulk(self, request: HttpRequest, agent: Agent) -> HttpResponse:
        """Preview resetting or rebasing a label in all conversations, then do it."""
        verb, label = request.GET.get("verb", ""), request.GET.get("label", "")
        if verb not in VERBS:
            raise InvalidArgument(f"Expected reset or rebase, got {verb!r}.")
        isolations = isolations_of(agent, label)
        drift = request.GET.get("drift", "")
        if drift in Drift.values:
            isolations = isolations.of_drifts([drift])
        is_done = request.method == "POST"
        report = apply_in_bulk(isolations, verb, request, dry_run=not is_done)
        title = f"{verb.capitalize()} {label} in all conversations"
        if is_done:
            self.log_change(request, agent, f"{title}: {report}.")
        context = {"title": title, "verb": verb, "report": report, "is_done": is_done}
        return self.render_page(request, "bulk", agent, context)

    def form_context(self, request: HttpRequest, row: Agent, context: Any) -> dict[str, Any]:
        attach_form = AttachForm(row, self.admin_site)
        return {
            "attach_form": attach_form,
            "block_links": row.block_links.in_prompt_order().select_related("block"),
            "conversation_count": row.conversations.live().count(),
            "conversations_url": conversations_url(row),
            "media": context["media"] + attach_form.media,
        }


@admin.register(AgentBlock)
class AgentBlockAdmin(ReadOnly, ConsoleAdmin):
    """Attached blocks of all agents; attached and detached on an agent's page."""

    organization_path = "agent__organization"
    ids = {"agent": "agent", "block": "block"}
    list_display = ["label", "agent_link", "block_link", "position"]
    list_select_related = ["agent", "block"]
    search_fields = ["label", "agent__name"]
    states = live_or_deleted("agent")
    deferred = ("agent__system", "block__value")
    fields = ["agent_link", "block_link", "label", "position"]
    readonly_fields = ["agent_link", "block_link"]
    ordering = ["-id"]

    agent_link = link_to("agent")
    block_link = link_to("block", text="block_id")


def conversations_url(agent: Agent) -> str:
    """Return the URL of the list of an agent's conversations."""
    return list_url("conversation", f"?agent__id__exact={agent.pk}")


class DriftCount(NamedTuple):
    """How many isolated blocks of a label have a drift, and the URL of their list."""

    drift: Drift
    number: int
    url: str


def drift_counts(agent: Agent) -> list[tuple[str, list[DriftCount]]]:
    """Return the counts for each label that a live conversation has isolated. One query."""
    isolations = IsolatedBlock.objects.filter(
        conversation__agent=agent, conversation__deleted_at=None
    )
    rows: Any = isolations.with_drift()
    groups = rows.values("label", "drift").annotate(number=Count("pk"))
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for group in groups.order_by("label"):
        counts[group["label"]][group["drift"]] = group["number"]

    def url(label: str, drift: Drift) -> str:
        lookups = {
            "conversation__agent__id__exact": agent.pk,
            "label__exact": label,
            "drift": drift.value,
        }
        return list_url("isolatedblock", f"?{urlencode(lookups)}")

    return [
        (label, [DriftCount(drift, found.get(drift, 0), url(label, drift)) for drift in Drift])
        for label, found in counts.items()
    ]
