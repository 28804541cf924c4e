from django import forms
from django.contrib import admin, messages
from django.db.models import Prefetch, Q
from django.utils import timezone

from ..domain.conversations.conversations import (
    ConversationFields,
    create_conversation,
    delete_conversation,
    fork_conversation,
    restore_conversation,
    update_conversation,
)
from ..domain.errors import DomainError, NotFound
from ..domain.memory.effective import effective_blocks
from ..domain.memory.forks import ForkChoice
from ..domain.memory.prompt import is_stale, recompile
from ..ids import is_id
from ..models import Conversation, IsolatedBlock, Run
from .base import ConsoleAdmin
from .display import badge, link, list_url, tokens_of
from .fields import ObjectField, WordsField
from .forms import RefusableForm, refusable
from .memory_form import MemoryInline, lost_texts, rows, save_texts
from .memory_views import LabelPages
from .row_views import button
from .scope import actor
from .timeline import TimelinePages, timeline_of

RUNS = 10  # shown on a conversation's page


class ConversationForm(RefusableForm, forms.ModelForm):
    """`version` travels with the page, so that a save says which fields it was based on."""

    version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    model_settings = ObjectField(help_text="Overrides the agent's.")
    isolated_labels = WordsField(
        label="Isolate",
        help_text="Labels of which it gets its own copy, separated by commas. The agent's policy "
        "adds to them.",
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.fields["version"].required = True
            self.initial["version"] = self.instance.version


class ForkForm(forms.Form):
    """For each isolated label, what the fork does with it."""

    CHOICES = [
        (ForkChoice.COPY, "Copy: its own copy of this conversation's text"),
        (ForkChoice.SHARE, "Share: read the shared block"),
        (ForkChoice.RESET, "Reset: its own copy of the shared text as it is now"),
    ]

    def __init__(self, labels, data=None):
        super().__init__(data, prefix="choice")
        for label in labels:
            self.fields[label] = forms.ChoiceField(
                label=label,
                choices=self.CHOICES,
                initial=ForkChoice.COPY,
                widget=forms.RadioSelect,
            )

    def choices(self):
        return {label: ForkChoice(choice) for label, choice in self.cleaned_data.items()}


@admin.register(Conversation)
class ConversationAdmin(LabelPages, TimelinePages, ConsoleAdmin):
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
    actions = ["restore", "archive_selected"]
    buttons = (*LabelPages.label_buttons, *TimelinePages.timeline_buttons)
    buttons += ("recompile", "archive", "undelete", "fork")
    inlines = [MemoryInline]
    readonly_fields = ["id", "forked_from", "compiled_at", "last_message_at"]
    readonly_fields += ["archived_at", "deleted_at", "created_at", "created_by"]
    readonly_fields += ["updated_at", "last_updated_by"]
    add_fieldsets = [
        (None, {"fields": ["agent", "isolated_labels", "summary", "description"]}),
        ("Instead of the agent's", {"fields": ["model", "context_window_limit", "model_settings"]}),
    ]
    fieldsets = [
        (None, {"fields": ["summary", "description", "hidden"]}),
        ("Instead of the agent's", {**add_fieldsets[1][1], "classes": ["collapse"]}),
        ("Record", {"classes": ["collapse"], "fields": readonly_fields}),
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
        with refusable(request, form):
            if not change:
                saved = create_conversation(
                    form.cleaned_data["agent"],
                    by=actor(request),
                    isolated_labels=form.cleaned_data["isolated_labels"],
                    **chosen,
                )
            elif chosen:
                version = form.cleaned_data["version"]
                saved = update_conversation(
                    obj, by=actor(request), expected_version=version, **chosen
                )
            else:
                return
        obj.pk = saved.pk
        obj.refresh_from_db()

    def save_formset(self, request, form, formset, change):
        save_texts(request, formset)

    def delete_model(self, request, obj):
        delete_conversation(obj, by=actor(request))

    @admin.action(description="Restore selected conversations…", permissions=["change"])
    def restore(self, request, queryset):
        explanation = "Their isolated blocks and messages come back with them."
        title = "Restore these conversations?"
        return self.each(request, queryset, title, explanation, restore_conversation, "Restored")

    @admin.action(description="Archive selected conversations…", permissions=["change"])
    def archive_selected(self, request, queryset):
        def verb(conversation, *, by):
            update_conversation(conversation, by=by, archived_at=timezone.now())

        title = "Archive these conversations?"
        explanation = "Lists that leave archived ones out no longer show them. They stay readable."
        return self.each(request, queryset, title, explanation, verb, "Archived")

    # Buttons and pages

    def has_fork_permission(self, request, conversation):
        may_read = self.has_view_permission(request, conversation)
        return may_read and self.has_add_permission(request) and not is_hidden(conversation)

    def has_restore_permission(self, request, conversation):
        return bool(conversation.deleted_at) and super().has_change_permission(request)

    @button("change", "POST")
    def recompile(self, request, conversation):
        def verb(conversation):
            recompile(conversation)
            return "Recompiled the prompt from memory."

        return self.press(request, conversation, verb)

    @button("change", "POST")
    def archive(self, request, conversation):
        def verb(conversation):
            archived_at = None if conversation.archived_at else timezone.now()
            update_conversation(conversation, by=actor(request), archived_at=archived_at)
            return "Archived." if archived_at else "Taken out of the archive."

        return self.press(request, conversation, verb)

    @button("restore", "POST")
    def undelete(self, request, conversation):
        def verb(conversation):
            restore_conversation(conversation, by=actor(request))
            return "Restored, with its isolated blocks and messages."

        return self.press(request, conversation, verb)

    @button("fork", "GET", "POST")
    def fork(self, request, conversation):
        """Asks what the fork shall do with each label that this conversation has isolated."""
        try:
            at = message_named(conversation, request.GET.get("at", ""))
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return self.show(conversation)
        labels = [isolation.label for isolation in conversation.isolations.all()]
        form = ForkForm(labels, request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                made = fork_conversation(
                    conversation, by=actor(request), at=at, choices=form.choices()
                )
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                self.done(request, made, f"Forked from {conversation}.")
                return self.show(made)
        context = {"title": "Fork", "form": form, "at": at}
        return self.page(request, "fork", conversation, context)

    def render_change_form(self, request, context, **kwargs):
        if conversation := kwargs.get("obj"):
            blocks = effective_blocks(conversation)
            [panel] = context["inline_admin_formsets"]
            runs = list(conversation.runs.all()[:RUNS])
            context |= {
                "panel": panel,
                "memory": rows(conversation, blocks, panel.formset),
                "lost": lost_texts(panel.formset),
                "stale": is_stale(conversation, blocks),
                "may": self.permitted(request, conversation),
                "address": self.addresses(conversation),
                "show_delete": False,  # among the buttons above
                "window_size": conversation.context_window_limit
                or conversation.agent.context_window_limit,
                "state": self.kind(conversation),
                "runs": [(run, tokens_of(run.usage)) for run in runs],
                "runs_url": list_url("run", f"?conversation__id__exact={conversation.pk}"),
                "active_run": next((run for run in runs if run.status in Run.ACTIVE), None),
                **timeline_of(conversation),
            }
        return super().render_change_form(request, context, **kwargs)


def message_named(conversation, message_id):
    """The message of this conversation that an address names, or None where it names none."""
    if not message_id:
        return None
    found = (
        conversation.messages.get_or_none(pk=message_id) if is_id("message", message_id) else None
    )
    if found is None:
        raise NotFound(f"Conversation '{conversation.pk}' has no message {message_id!r}")
    return found


def is_hidden(conversation):
    """Deleted itself, or with its agent."""
    return bool(conversation.deleted_at or conversation.agent.deleted_at)
