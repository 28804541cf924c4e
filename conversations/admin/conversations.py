"""The pages of conversations."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from ..domain.actor import Actor
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
from ..models import Conversation, IsolatedBlock, Message, Run
from .base import ConsoleAdmin, bulk_action
from .display import badge, format_tokens, link_to, list_url
from .fields import ObjectField, WordsField
from .filters import titled
from .forms import VersionedForm
from .memory_form import NOT_SAVED, BaseMemoryFormSet, MemoryFormSet, memory_rows
from .memory_views import MemoryViews
from .row_views import row_view
from .scope import actor
from .timeline import TimelineViews, timeline_context

MAX_RUNS = 10  # on a conversation's page


class ConversationForm(VersionedForm):
    """The fields of a conversation and, as `memory`, the texts of its isolated blocks."""

    model_settings = ObjectField(help_text="Replaces the agent's model settings.")
    isolated_labels = WordsField(
        label="Isolate",
        help_text="Labels to isolate, separated by commas, besides those of the agent's policy.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.memory: BaseMemoryFormSet | None = None
        if not self.instance._state.adding:
            self.memory = MemoryFormSet(
                self.data if self.is_bound else None, instance=self.instance
            )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.memory and not self.memory.is_valid():
            self.add_error(None, NOT_SAVED)
        return cleaned


class ForkForm(forms.Form):
    """For each isolated label, what the fork does with it."""

    CHOICES = [
        (ForkChoice.COPY, "Copy: isolated, with this conversation's text"),
        (ForkChoice.SHARE, "Share: read the shared block"),
        (ForkChoice.RESET, "Reset: isolated, with the current shared text"),
    ]

    def __init__(self, labels: Iterable[str], data: Any = None) -> None:
        super().__init__(data, prefix="choice")
        self._labels = dict(enumerate(labels))
        # Numbered, because a browser sends no field without a name, and changes line breaks.
        for number, label in self._labels.items():
            self.fields[str(number)] = forms.ChoiceField(
                label=label,
                choices=self.CHOICES,
                initial=ForkChoice.COPY,
                widget=forms.RadioSelect,
            )

    def choices(self) -> dict[str, ForkChoice]:
        """Return the choice for each label."""
        return {
            label: ForkChoice(self.cleaned_data[str(number)])
            for number, label in self._labels.items()
        }


def archive(conversation: Conversation, *, by: Actor) -> None:
    """Archive a conversation."""
    update_conversation(conversation, by=by, archived_at=timezone.now())


def unarchive(conversation: Conversation, *, by: Actor) -> None:
    """Unarchive a conversation."""
    update_conversation(conversation, by=by, archived_at=None)


@admin.register(Conversation)
class ConversationAdmin(MemoryViews, TimelineViews, ConsoleAdmin):
    """Conversations: their memory, messages and turns on one page."""

    form = ConversationForm
    consequence = "Its isolated blocks are hidden with it."
    asks_organization = False
    change_form_template = "admin/conversations/conversation/change_form.html"
    choosable = Q(deleted_at=None, agent__deleted_at=None)
    states = {
        "live": choosable & Q(archived_at=None),
        "archived": choosable & Q(archived_at__isnull=False),
        "deleted": Q(deleted_at__isnull=False) | Q(agent__deleted_at__isnull=False),
    }
    deferred = ("agent__system", "agent__description")
    ids = {"pk": "conv", "agent": "agent", "own_blocks": "block", "messages": "message"}
    list_display = ["title", "agent_link", "isolated", "state", "last_message_at", "created_at"]
    list_filter = [
        titled("is_default", "default conversation"),
        titled("hidden", "hidden"),
        titled("last_message_at", "last message", admin.DateFieldListFilter),
    ]
    list_select_related = ["agent"]
    search_fields = ["summary", "description", "agent__name"]
    search_help_text = (
        "Words of the summary, the description or the agent's name, or the id of a conversation, "
        "agent, block or message."
    )
    date_hierarchy = "created_at"
    autocomplete_fields = ["agent"]
    actions = ["archive_selected", "unarchive_selected", "restore_selected"]
    row_views = (
        *MemoryViews.memory_views,
        *TimelineViews.timeline_views,
        *("recompile", "archive", "restore", "fork"),
    )
    readonly_fields = [
        *("id", "forked_from", "compiled_at", "last_message_at", "archived_at", "deleted_at"),
        *("created_at", "created_by", "updated_at", "last_updated_by"),
    ]
    add_fieldsets: Any = [
        (None, {"fields": ["agent", "isolated_labels", "summary", "description"]}),
        ("Model overrides", {"fields": ["model", "context_window_limit", "model_settings"]}),
    ]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["summary", "description", "hidden"]}),
        ("Model overrides", {**add_fieldsets[1][1], "classes": ["collapse"]}),
        ("Details", {"classes": ["collapse"], "fields": readonly_fields}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        labels = Prefetch("isolations", IsolatedBlock.objects.in_order().defer("base_value"))
        return super().get_queryset(request).prefetch_related(labels)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and is_deleted(obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep a default conversation as long as its agent."""
        return super().has_delete_permission(request, obj) and not (obj and obj.is_default)

    @admin.display(description="conversation", ordering="summary")
    def title(self, conversation: Conversation) -> str:
        if conversation.is_default:
            return f"default of {conversation.agent}"
        return conversation.summary or conversation.pk

    def describe(self, conversation: Conversation) -> str:
        return self.title(conversation)

    agent_link = link_to("agent", ordering="agent__name")

    @admin.display(description="isolated labels")
    def isolated(self, conversation: Conversation) -> str:
        return ", ".join(isolated.label for isolated in conversation.isolations.all()) or "-"

    @admin.display(description="state")
    def state(self, conversation: Conversation) -> SafeString:
        if is_deleted(conversation):
            return badge("deleted")
        if conversation.archived_at:
            return badge("archived")
        return badge("hidden") if conversation.hidden else badge("live")

    # Writing

    def write(self, request: HttpRequest, form: ConversationForm) -> Conversation:
        by = actor(request)
        values = self.changed_values(form, ConversationFields)
        if form.memory is None:
            agent, labels = form.cleaned_data["agent"], form.cleaned_data["isolated_labels"]
            return create_conversation(agent, by=by, isolated_labels=labels, **values)
        saved: Conversation = form.instance
        if values:
            version = form.cleaned_data["version"]
            saved = update_conversation(saved, by=by, expected_version=version, **values)
        form.memory.write_texts(by)
        return saved

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        memory = [form.memory] if form.memory else []
        return super().construct_change_message(request, form, memory, add)

    def delete_model(self, request: HttpRequest, obj: Conversation) -> None:
        delete_conversation(obj, by=actor(request))

    restore_selected = bulk_action(
        restore_conversation,
        "Restore",
        "Restored",
        "Their isolated blocks and messages are restored with them.",
    )
    archive_selected = bulk_action(
        archive,
        "Archive",
        "Archived",
        "Archived conversations are left out of most lists. They stay readable.",
    )
    unarchive_selected = bulk_action(
        unarchive, "Unarchive", "Unarchived", "They appear in lists again."
    )

    # Views of one conversation

    def has_fork_permission(self, request: HttpRequest, conversation: Conversation) -> bool:
        """Return whether the operator may read this conversation and add one."""
        may_read = self.has_view_permission(request, conversation)
        return may_read and self.has_add_permission(request) and not is_deleted(conversation)

    def has_restore_permission(self, request: HttpRequest, conversation: Conversation) -> bool:
        """Return whether the conversation is deleted and the operator may change it."""
        return bool(conversation.deleted_at) and super().has_change_permission(request)

    @row_view("change", "POST")
    def recompile(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Recompile the stored prompt."""
        recompile(conversation)
        return self.succeed(request, conversation, "The prompt was recompiled.")

    @row_view("change", "POST")
    def archive(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Archive the conversation, or unarchive an archived one."""
        if conversation.archived_at:
            unarchive(conversation, by=actor(request))
            return self.succeed(request, conversation, "Unarchived.")
        archive(conversation, by=actor(request))
        return self.succeed(request, conversation, "Archived.")

    @row_view("restore", "POST")
    def restore(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Restore the deleted conversation."""
        restore_conversation(conversation, by=actor(request))
        message = "Restored, with its isolated blocks and messages."
        return self.succeed(request, conversation, message)

    @row_view("fork", "GET", "POST")
    def fork(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Ask what the fork does with each isolated label, then create it."""
        at = find_message(conversation, request.GET.get("at", ""))
        labels = [isolated.label for isolated in conversation.isolations.all()]
        form = ForkForm(labels, request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                choices = form.choices()
                fork = fork_conversation(conversation, by=actor(request), at=at, choices=choices)
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                return self.succeed(request, fork, f"Forked from {conversation}.")
        context = {"title": "Fork", "form": form, "at": at}
        return self.render_page(request, "fork", conversation, context)

    def form_context(self, request: HttpRequest, row: Conversation, context: Any) -> dict[str, Any]:
        blocks = effective_blocks(row)
        memory = context["adminform"].form.memory
        runs = list(row.runs.all()[:MAX_RUNS])
        return {
            "memory": memory,
            "memory_rows": memory_rows(row, blocks, memory),
            "is_stale": is_stale(row, blocks),
            "show_delete": False,  # among the buttons above
            "window_size": row.context_window_limit or row.agent.context_window_limit,
            "state": self.state(row),
            "runs": [(run, format_tokens(run.usage)) for run in runs],
            "runs_url": list_url("run", f"?conversation__id__exact={row.pk}"),
            "active_run": next(
                (run for run in reversed(runs) if run.status in Run.UNFINISHED), None
            ),
            **timeline_context(row),
        }


def find_message(conversation: Conversation, message_id: str) -> Message | None:
    """Return a message of the conversation, None for an empty id; raise NotFound."""
    if not message_id:
        return None
    known = is_id("message", message_id)
    found = conversation.messages.filter(pk=message_id).first() if known else None
    if found is None:
        raise NotFound(f"Conversation '{conversation.pk}' has no message {message_id!r}")
    return found


def is_deleted(conversation: Conversation) -> bool:
    """Return whether the conversation or its agent is deleted."""
    return bool(conversation.deleted_at or conversation.agent.deleted_at)
