from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, Q
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_POST

from ..domain.context import is_stale, preview_prompt, recompile
from ..domain.conversations import (
    ConversationFields,
    create_conversation,
    delete_conversation,
    restore_conversation,
    update_conversation,
)
from ..domain.isolation import isolate_label, release_label
from ..domain.memory import effective_blocks
from ..models import Conversation, IsolatedBlock
from .display import badge, link, list_url, pretty
from .fields import ObjectField, WordsField
from .memory import MemoryInline, lost_texts, rows, save_texts
from .refusals import RefusableForm, refusable
from .scoping import ConsoleAdmin, by

RECENT = 20  # messages shown on a conversation's page


class ConversationForm(RefusableForm, forms.ModelForm):
    model_settings = ObjectField(help_text="Overrides the agent's.")
    archived = forms.BooleanField(required=False)
    isolated_labels = WordsField(
        label="Isolate",
        help_text="Labels of which it gets its own copy, separated by commas. The agent's policy "
        "adds to them.",
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.initial["archived"] = self.instance.archived_at is not None


@admin.register(Conversation)
class ConversationAdmin(ConsoleAdmin):
    form = ConversationForm
    consequence = "Its isolated blocks are hidden with it."
    asks_organization = False
    change_form_template = "admin/conversations/conversation/change_form.html"
    states = {
        "live": Q(deleted_at=None, agent__deleted_at=None),
        "deleted": Q(deleted_at__isnull=False) | Q(agent__deleted_at__isnull=False),
    }
    choosable = states["live"]
    texts = ("agent__system", "agent__description")
    ids = {"pk": "conv", "agent": "agent", "own_blocks": "block", "messages": "message"}
    list_display = ["title", "agent_link", "isolated", "kind", "last_message_at", "created_at"]
    list_filter = [
        *["is_default", "hidden", ("archived_at", admin.EmptyFieldListFilter), "last_message_at"]
    ]
    list_select_related = ["agent"]
    search_fields = ["summary", "description", "agent__name"]
    search_help_text = "Words of the summary, or an id (conversation, agent, block, message)."
    date_hierarchy = "created_at"
    autocomplete_fields = ["agent"]
    actions = ["restore"]
    inlines = [MemoryInline]
    readonly_fields = ["id", "agent_link", "forked_from", "compiled_at", "last_message_at"]
    readonly_fields += ["archived_at", "deleted_at", "created_at", "created_by"]
    readonly_fields += ["updated_at", "last_updated_by"]
    add_fieldsets = [
        (None, {"fields": ["agent", "isolated_labels", "summary", "description"]}),
        ("Instead of the agent's", {"fields": ["model", "context_window_limit", "model_settings"]}),
    ]
    fieldsets = [
        (None, {"fields": ["agent_link", "summary", "description", "hidden", "archived"]}),
        ("Instead of the agent's", {**add_fieldsets[1][1], "classes": ["collapse"]}),
        ("Record", {"classes": ["collapse"], "fields": ["id", *readonly_fields[2:]]}),
    ]

    def get_queryset(self, request):
        labels = Prefetch("isolations", IsolatedBlock.objects.in_order().defer("base_value"))
        return super().get_queryset(request).prefetch_related(labels)

    def get_inlines(self, request, obj):
        return self.inlines if obj else []

    def has_change_permission(self, request, obj=None):
        return super().has_change_permission(request, obj) and not (obj and is_hidden(obj))

    def has_delete_permission(self, request, obj=None):
        """The default conversation lives as long as its agent."""
        return super().has_delete_permission(request, obj) and not (obj and obj.is_default)

    @admin.display(description="conversation", ordering="summary")
    def title(self, conversation):
        if conversation.is_default:
            return f"default of {conversation.agent}"
        return conversation.summary or conversation.pk

    @admin.display(description="agent", ordering="agent__name")
    def agent_link(self, conversation):
        return link(conversation.agent)

    @admin.display(description="isolates")
    def isolated(self, conversation):
        return ", ".join(i.label for i in conversation.isolations.all()) or "-"

    @admin.display(description="state")
    def kind(self, conversation):
        if is_hidden(conversation):
            return badge("deleted")
        if conversation.archived_at:
            return badge("archived")
        return badge("hidden") if conversation.hidden else badge("live")

    # Writing

    def save_model(self, request, obj, form, change):
        chosen = self.chosen(form, ConversationFields)
        if "archived" in form.changed_data:
            chosen["archived_at"] = timezone.now() if form.cleaned_data["archived"] else None
        with refusable(request, form):
            if not change:
                saved = create_conversation(
                    form.cleaned_data["agent"],
                    by=by(request),
                    isolated_labels=form.cleaned_data["isolated_labels"],
                    **chosen,
                )
            elif chosen:
                saved = update_conversation(obj, by=by(request), **chosen)
            else:
                return
        obj.pk = saved.pk
        obj.refresh_from_db()

    def save_formset(self, request, form, formset, change):
        save_texts(request, formset)

    def delete_model(self, request, obj):
        delete_conversation(obj, by=by(request))

    @admin.action(description="Restore selected conversations", permissions=["change"])
    def restore(self, request, queryset):
        for conversation in queryset:
            restore_conversation(conversation, by=by(request))
            self.log_change(request, conversation, "Restored.")
        self.message_user(request, f"Restored {len(queryset)}.", messages.SUCCESS)

    # Memory

    def get_urls(self):
        wrap = self.admin_site.admin_view
        buttons = [
            path(
                f"<path:object_id>/{name}/",
                wrap(require_POST(getattr(self, name))),
                name=f"conversations_conversation_{name}",
            )
            for name in ("isolate", "release", "recompile")
        ]
        prompt = path(
            "<path:object_id>/prompt/", wrap(self.prompt), name="conversations_conversation_prompt"
        )
        return [*buttons, prompt, *super().get_urls()]

    def isolate(self, request, object_id):
        label = request.POST.get("label", "")

        def verb(conversation):
            isolate_label(conversation, label, by=by(request))
            return f"Isolated {label}: this conversation now has its own copy."

        return self.press(request, object_id, verb)

    def release(self, request, object_id):
        """Asks first, on a page that shows what the conversation will read instead."""
        label = request.POST.get("label", "")

        def verb(conversation):
            shared = release_label(conversation, label, by=by(request))
            reads = "reads the shared block again" if shared else "no longer has that label"
            return f"Released {label}: this conversation {reads}."

        conversation = self.get_object(request, unquote(object_id))
        if (
            "confirmed" in request.POST
            or conversation is None
            or not self.has_change_permission(request, conversation)
        ):
            return self.press(request, object_id, verb)
        for effective in effective_blocks(conversation):
            if effective.isolation and effective.label == label:
                context = {"title": f"Release {label}?", "effective": effective}
                return self.page(request, "release", conversation, context)
        return self.press(request, object_id, verb)

    def recompile(self, request, object_id):
        def verb(conversation):
            recompile(conversation)
            return "Recompiled the prompt from memory."

        return self.press(request, object_id, verb)

    def prompt(self, request, object_id):
        """Exactly what the model's next turn begins with."""
        conversation = self.get_object(request, unquote(object_id))
        if conversation is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, conversation):
            raise PermissionDenied
        context = {"title": "What the model reads", "prompt": preview_prompt(conversation).text}
        return self.page(request, "prompt", conversation, context)

    def page(self, request, name, conversation, context):
        """A page about one conversation, besides its form."""
        return TemplateResponse(
            request,
            f"admin/conversations/conversation/{name}.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "original": conversation,
                "subtitle": str(conversation),
                **context,
            },
        )

    def render_change_form(self, request, context, **kwargs):
        if conversation := kwargs.get("obj"):
            blocks = effective_blocks(conversation)
            [panel] = context["inline_admin_formsets"]
            links = conversation.message_links.select_related("message").order_by("-position")
            context |= {
                "panel": panel,
                "memory": rows(blocks, panel.formset),
                "lost": lost_texts(panel.formset),
                "stale": is_stale(conversation, blocks),
                "recent": [
                    (held.message, [pretty(part) for part in tool_parts(held.message)])
                    for held in reversed(list(links[:RECENT]))
                ],
                "messages_url": list_url(
                    "conversationmessage", f"?conversation__id__exact={conversation.pk}"
                ),
            }
        return super().render_change_form(request, context, **kwargs)


def is_hidden(conversation):
    """Deleted itself, or with its agent."""
    return bool(conversation.deleted_at or conversation.agent.deleted_at)


def tool_parts(message):
    return [*message.tool_calls, *message.tool_returns]
