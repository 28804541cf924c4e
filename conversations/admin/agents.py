from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import Prefetch, Q
from django.utils.html import format_html

from ..domain.agents import (
    AgentFields,
    attach_block,
    create_agent,
    delete_agent,
    detach_block,
    restore_agent,
    update_agent,
)
from ..domain.context import DEFAULT_SYSTEM_PROMPT
from ..domain.errors import InvalidArgument
from ..domain.tools import BASE_TOOLS
from ..models import Agent, AgentBlock, Block
from .buttons import button
from .display import link, list_url
from .fields import ObjectField, WordsField
from .refusals import RefusableForm, refusable
from .scoping import ConsoleAdmin, ReadOnly, by

SETTINGS = ["context_window_limit", "timezone", "model_settings", "agent_type", "embedding"]
SETTINGS += ["metadata", "hidden"]


class AgentForm(RefusableForm, forms.ModelForm):
    isolated_labels = WordsField(
        help_text="The isolation policy: labels isolated in every new conversation, "
        "separated by commas."
    )
    tools = WordsField(help_text="Names of the tools it may call, separated by commas.")
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
    buttons = ("attach", "detach")
    readonly_fields = [
        *["id", "deleted_at", "created_at", "created_by", "updated_at", "last_updated_by"]
    ]
    add_fieldsets = [
        (None, {"fields": ["name", "description", "model", "system"]}),
        ("Tools and tags", {"fields": ["tools", "tags"]}),
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
                saved = update_agent(obj, by=by(request), **self.chosen(form, AgentFields))
            else:
                organization = self.organization_of(request, form)
                fields = {
                    name: value
                    for name, value in form.cleaned_data.items()
                    if name in AgentFields.__annotations__
                }
                saved = create_agent(organization, by=by(request), **fields)
        obj.pk = saved.pk
        obj.refresh_from_db()

    def delete_model(self, request, obj):
        delete_agent(obj, by=by(request))

    @admin.action(description="Restore selected agents", permissions=["change"])
    def restore(self, request, queryset):
        for agent in queryset:
            restore_agent(agent, by=by(request))
            self.log_change(request, agent, "Restored.")
        self.message_user(request, f"Restored {len(queryset)}.", messages.SUCCESS)

    # The attached blocks

    @button("change", "POST")
    def attach(self, request, agent):
        def verb(agent):
            block = self.posted(AttachForm(agent, self.admin_site, request.POST))
            attach_block(agent, block, by=by(request))
            return f"Attached the block {block.label}."

        return self.press(request, agent, verb)

    @button("change", "POST")
    def detach(self, request, agent):
        def verb(agent):
            block = self.posted(DetachForm(agent, request.POST))
            detach_block(agent, block, by=by(request))
            return f"Detached the block {block.label}. Conversations that isolated it keep theirs."

        return self.press(request, agent, verb)

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
