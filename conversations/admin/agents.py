from collections import defaultdict

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import Count, Prefetch, Q
from django.utils.html import format_html
from django.utils.http import urlencode

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
from ..domain.errors import DomainError, InvalidArgument
from ..domain.memory.bulk import isolations_of
from ..domain.memory.prompt import DEFAULT_SYSTEM_PROMPT
from ..domain.tools.definitions import BASE_TOOLS
from ..models import Agent, AgentBlock, Block, Drift, IsolatedBlock
from .base import ConsoleAdmin, ReadOnly
from .bulk import VERBS, report_on
from .display import link, list_url
from .fields import ObjectField, WordsField
from .forms import RefusableForm, refusable
from .row_views import button
from .scope import actor

SETTINGS = ["context_window_limit", "timezone", "model_settings", "agent_type", "embedding"]
SETTINGS += ["metadata", "hidden"]


class AgentForm(RefusableForm, forms.ModelForm):
    isolated_labels = WordsField(
        help_text="The isolation policy: labels isolated in every new conversation, "
        "separated by commas."
    )
    tools = WordsField(help_text="Names of the tools it may call, separated by commas.")
    approval_tools = WordsField(
        help_text="Those of them that a person must approve first, separated by commas."
    )
    tags = WordsField()
    model_settings = ObjectField()
    metadata = ObjectField(empty={})
    hidden = forms.BooleanField(required=False)


class AttachForm(forms.Form):
    """Chooses an ordinary block of the agent's own organization."""

    def __init__(self, agent, admin_site, data=None):
        super().__init__(data)
        self.fields["block"] = forms.ModelChoiceField(
            Block.objects.ordinary().in_organization(agent.organization_id),
            widget=AutocompleteSelect(
                AgentBlock._meta.get_field("block"), admin_site, attrs={"form": "press"}
            ),
            label="Attach a block",
        )


class DetachForm(forms.Form):
    """Chooses one of the agent's blocks."""

    def __init__(self, agent, data):
        super().__init__(data)
        self.fields["block"] = forms.ModelChoiceField(agent.blocks.all())


@admin.register(Agent)
class AgentAdmin(ConsoleAdmin):
    form = AgentForm
    consequence = "Its conversations are hidden with it; its shared blocks stay."
    change_form_template = "admin/conversations/agent/change_form.html"
    states = {"live": Q(deleted_at=None), "deleted": Q(deleted_at__isnull=False)}
    choosable = Q(deleted_at=None)
    texts = ("system", "description")
    ids = {"pk": "agent", "blocks": "block"}
    list_display = ["name", "model", "labels", "conversations", "tag_list", "created_at"]
    list_filter = ["hidden", "created_at"]
    search_fields = ["name", "description", "model"]
    actions = ["restore"]
    buttons = ("attach", "detach", "move", "drift", "bulk")
    readonly_fields = [
        *["id", "deleted_at", "created_at", "created_by", "updated_at", "last_updated_by"]
    ]
    add_fieldsets = [
        (None, {"fields": ["name", "description", "model", "system"]}),
        ("Tools and tags", {"fields": ["tools", "approval_tools", "tags"]}),
        ("Settings", {"classes": ["collapse"], "fields": SETTINGS}),
    ]
    fieldsets = [
        (None, {"fields": ["name", "description", "model", "system", "isolated_labels"]}),
        *add_fieldsets[1:],
        ("Record", {"classes": ["collapse"], "fields": readonly_fields}),
    ]

    def get_changeform_initial_data(self, request):
        own = {"system": DEFAULT_SYSTEM_PROMPT, "tools": BASE_TOOLS}
        return {**own, **super().get_changeform_initial_data(request)}

    def get_queryset(self, request):
        labels = Prefetch("block_links", AgentBlock.objects.in_prompt_order())
        return super().get_queryset(request).prefetch_related(labels)

    @admin.display(description="blocks")
    def labels(self, agent):
        return ", ".join(link.label for link in agent.block_links.all()) or "-"

    @admin.display(description="tags")
    def tag_list(self, agent):
        return ", ".join(map(str, agent.tags)) or "-"

    @admin.display(description="conversations")
    def conversations(self, agent):
        return format_html('<a href="{}">show</a>', conversations_of(agent))

    # Writing

    def save_model(self, request, obj, form, change):
        with refusable(request, form):
            if change:
                saved = update_agent(obj, by=actor(request), **self.chosen(form, AgentFields))
            else:
                organization = self.organization_of(request, form)
                fields = {
                    name: value
                    for name, value in form.cleaned_data.items()
                    if name in AgentFields.__annotations__
                }
                saved = create_agent(organization, by=actor(request), **fields)
        obj.pk = saved.pk
        obj.refresh_from_db()

    def delete_model(self, request, obj):
        delete_agent(obj, by=actor(request))

    @admin.action(description="Restore selected agents…", permissions=["change"])
    def restore(self, request, queryset):
        explanation = "Their conversations come back, but for those that were deleted on their own."
        title = "Restore these agents?"
        return self.each(request, queryset, title, explanation, restore_agent, "Restored")

    # The attached blocks

    @button("change", "POST")
    def attach(self, request, agent):
        def verb(agent):
            block = self.posted(AttachForm(agent, self.admin_site, request.POST))
            attach_block(agent, block, by=actor(request))
            return f"Attached the block {block.label}."

        return self.press(request, agent, verb)

    @button("change", "POST")
    def detach(self, request, agent):
        def verb(agent):
            block = self.posted(DetachForm(agent, request.POST))
            detach_block(agent, block, by=actor(request))
            return f"Detached the block {block.label}. Conversations that isolated it keep theirs."

        return self.press(request, agent, verb)

    @button("change", "POST")
    def move(self, request, agent):
        """Up or down the prompt by one place; `up` or `down` names the block."""

        def verb(agent):
            up = "up" in request.POST
            data = {"block": request.POST.get("up" if up else "down")}
            block = self.posted(DetachForm(agent, data))
            move_block(agent, block, by=actor(request), places=-1 if up else 1)
            return f"Moved the block {block.label} {'up' if up else 'down'}."

        return self.press(request, agent, verb)

    # Its conversations' isolated blocks

    def has_bulk_permission(self, request, agent):
        may_write = request.user.has_perm("conversations.change_conversation")
        return may_write and not agent.deleted_at and self.has_view_permission(request, agent)

    @button("view", "GET")
    def drift(self, request, agent):
        """How far its conversations' copies have drifted, label by label."""
        context = {"title": "Isolated blocks", "labels": drift_counts(agent), "drifts": Drift}
        return self.page(request, "drift", agent, context)

    @button("bulk", "GET", "POST")
    def bulk(self, request, agent):
        """Resets or rebases one label everywhere: shows what would happen, then what did."""
        verb, label = request.GET.get("verb", ""), request.GET.get("label", "")
        if verb not in VERBS:
            self.message_user(request, f"Expected reset or rebase, got {verb!r}.", messages.ERROR)
            return self.show(agent)
        try:
            isolations = isolations_of(agent, label)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return self.show(agent)
        is_done = request.method == "POST"
        drift = request.GET.get("drift", "")
        if drift in Drift.values:
            isolations = isolations.of_drifts([drift])
        report = report_on(isolations, verb, request, dry_run=not is_done)
        if is_done:
            counts = ", ".join(f"{number} {outcome}" for outcome, number in report.counts.items())
            self.log_change(request, agent, f"{verb.capitalize()} {label} everywhere: {counts}.")
        context = {"title": f"{verb.capitalize()} {label} in its conversations", "verb": verb}
        return self.page(request, "bulk", agent, context | {"report": report, "is_done": is_done})

    def posted(self, form):
        """The block that a button's form names."""
        if not form.is_valid():
            raise InvalidArgument(" ".join(form.errors.get("block", [])))
        return form.cleaned_data["block"]

    def render_change_form(self, request, context, **kwargs):
        if agent := kwargs.get("obj"):
            attach = AttachForm(agent, self.admin_site)
            links = agent.block_links.in_prompt_order().select_related("block")
            live = agent.conversations.live()
            context |= {
                "attach_form": attach,
                "block_links": links,
                "conversation_count": live.count(),
                "conversations_url": conversations_of(agent),
                "may": self.permitted(request, agent),
                "address": self.addresses(agent),
                "media": context["media"] + attach.media,
            }
        return super().render_change_form(request, context, **kwargs)


@admin.register(AgentBlock)
class AgentBlockAdmin(ReadOnly, ConsoleAdmin):
    """Attached and detached on the agent's page."""

    organization_path = "agent__organization"
    ids = {"agent": "agent", "block": "block"}
    list_display = ["label", "agent_link", "block_link", "position"]
    list_select_related = ["agent", "block"]
    search_fields = ["label", "agent__name"]
    states = {
        "live": Q(agent__deleted_at=None),
        "deleted": Q(agent__deleted_at__isnull=False),
    }
    texts = ("agent__system", "block__value")
    fields = ["agent_link", "block_link", "label", "position"]
    readonly_fields = ["agent_link", "block_link"]
    ordering = ["-id"]

    @admin.display(description="agent")
    def agent_link(self, attached):
        return link(attached.agent)

    @admin.display(description="block")
    def block_link(self, attached):
        return link(attached.block, attached.block_id)


def conversations_of(agent):
    return list_url("conversation", f"?agent__id__exact={agent.pk}")


def drift_counts(agent):
    """For each label that a live conversation isolated: how many there are of each drift."""
    isolations = IsolatedBlock.objects.filter(
        conversation__agent=agent, conversation__deleted_at=None
    )
    groups = isolations.with_drift().values("label", "drift").annotate(number=Count("pk"))
    counts = defaultdict(dict)
    for group in groups.order_by("label"):
        counts[group["label"]][group["drift"]] = group["number"]

    def address(**lookups):
        return list_url("isolatedblock", f"?{urlencode(lookups)}")

    return [
        (
            label,
            [
                (
                    drift,
                    of_label.get(drift, 0),
                    address(
                        conversation__agent__id__exact=agent.pk, label__exact=label, drift=drift
                    ),
                )
                for drift in Drift
            ],
        )
        for label, of_label in counts.items()
    ]
