from django import forms
from django.contrib import admin, messages
from django.db.models import Q
from django.db.models.functions import Left, Length

from ..domain.errors import DomainError
from ..domain.memory.audience import find_audience
from ..domain.memory.blocks import BlockFields, create_block, delete_block, write_block
from ..domain.memory.revisions import find_revision, redo, restore_revision, undo
from ..models import Block, BlockRevision
from .base import ConsoleAdmin, ReadOnly
from .conversations import is_hidden
from .display import badge, diff, link, list_url
from .fields import ObjectField, WordsField, unix_lines
from .filters import FillFilter
from .forms import RefusableForm, refusable
from .row_views import button, number_in
from .scope import actor

HISTORY = 20  # revisions shown on a block's page
READERS = 20  # agents named on it

IN_LIVE_CONVERSATION = Q(conversation__deleted_at=None, conversation__agent__deleted_at=None)


class BlockForm(RefusableForm, forms.ModelForm):
    """`version` travels with the page, so that a save says which text it was based on."""

    version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    metadata = ObjectField(empty={})
    tags = WordsField()
    hidden = forms.BooleanField(required=False, help_text="Left out of lists.")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.fields["version"].required = True
            self.initial["version"] = self.instance.version


@admin.register(Block)
class BlockAdmin(ConsoleAdmin):
    form = BlockForm
    consequence = (
        "It is detached from its agents. Conversations that isolated its label keep theirs."
    )
    change_form_template = "admin/conversations/block/change_form.html"
    states = {
        "shared": Q(conversation=None, deleted_at=None),
        "isolated": Q(isolations__isnull=False, deleted_at=None) & IN_LIVE_CONVERSATION,
        "released": Q(conversation__isnull=False, isolations=None, deleted_at=None)
        & IN_LIVE_CONVERSATION,
        "deleted": Q(deleted_at__isnull=False)
        | Q(conversation__deleted_at__isnull=False)
        | Q(conversation__agent__deleted_at__isnull=False),
    }
    choosable = Q(conversation=None, deleted_at=None)
    texts = ("value", "description")
    ids = {"pk": "block", "agents": "agent", "conversation": "conv"}
    list_display = ["label", "beginning", "size", "belongs_to", "agent_total", "version"]
    list_display += ["updated_at"]
    list_filter = [FillFilter, "read_only", "hidden", "updated_at"]
    buttons = ("undo", "redo", "restore", "preview", "revisions")
    list_select_related = ["conversation"]
    search_fields = ["label", "description", "value"]
    ordering = ["-updated_at", "-id"]
    readonly_fields = ["id", "deleted_at", "created_at", "created_by", "updated_at"]
    readonly_fields += ["last_updated_by"]
    add_fieldsets = [
        (None, {"fields": ["label", "value", "limit", "description", "read_only", "tags"]}),
        ("Settings", {"classes": ["collapse"], "fields": ["copy_on_write", "metadata", "hidden"]}),
    ]
    fieldsets = [
        *add_fieldsets,
        ("Record", {"classes": ["collapse"], "fields": readonly_fields}),
    ]

    def get_queryset(self, request):
        rows = super().get_queryset(request).with_agent_count()
        return rows.annotate(start=Left("value", 80), characters=Length("value"))

    def get_readonly_fields(self, request, obj=None):
        readonly = super().get_readonly_fields(request, obj)
        # It stands in for the shared block of that label.
        return [*readonly, "label"] if obj and obj.is_isolated else readonly

    def has_change_permission(self, request, obj=None):
        hidden = obj and obj.is_isolated and is_hidden(obj.conversation)
        return super().has_change_permission(request, obj) and not hidden

    def has_delete_permission(self, request, obj=None):
        """An isolated block lives and dies with its conversation; its label is released there."""
        return super().has_delete_permission(request, obj) and not (obj and obj.is_isolated)

    def describe(self, block):
        """A suggestion: many blocks have the same label."""
        return f"{block.label}: {self.beginning(block)}"

    @admin.display(description="value")
    def beginning(self, block):
        return f"{block.start}…" if block.characters > 80 else block.start or "-"

    @admin.display(description="characters", ordering="characters")
    def size(self, block):
        return f"{block.characters:,} / {block.limit:,}"

    @admin.display(description="belongs to")
    def belongs_to(self, block):
        return link(block.conversation) if block.is_isolated else badge("shared")

    @admin.display(description="agents", ordering="agent_count")
    def agent_total(self, block):
        return block.agent_count

    # Writing

    def save_model(self, request, obj, form, change):
        chosen = self.chosen(form, BlockFields)
        with refusable(request, form):
            if change:
                version = form.cleaned_data["version"]
                saved = write_block(obj, by=actor(request), expected_version=version, **chosen)
            else:
                organization = self.organization_of(request, form)
                saved = create_block(organization, by=actor(request), **chosen)
        obj.pk = saved.pk
        obj.refresh_from_db()

    def delete_model(self, request, obj):
        delete_block(obj, by=actor(request))

    # Buttons and pages

    @button("change", "POST")
    def undo(self, request, block):
        def verb(block):
            undo(block, by=actor(request), expected_version=number_in(request.POST, "version"))
            return "Undid the last edit. Redo takes that back."

        return self.press(request, block, verb)

    @button("change", "POST")
    def redo(self, request, block):
        def verb(block):
            redo(block, by=actor(request), expected_version=number_in(request.POST, "version"))
            return "Redid the edit."

        return self.press(request, block, verb)

    @button("change", "GET", "POST")
    def restore(self, request, block):
        """Shows what going back to a revision would change, and whom that reaches."""
        try:
            revision = find_revision(block, number_in(request.GET, "number") or 0)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return self.show(block)
        if request.method == "POST":
            version = number_in(request.POST, "version")

            def verb(block):
                restore_revision(
                    block, revision.number, by=actor(request), expected_version=version
                )
                return f"Restored what revision {revision.number} said."

            return self.press(request, block, verb)
        context = {
            "title": f"Restore revision {revision.number}?",
            "revision": revision,
            "change": diff(block.value, revision.value),
            "readers": find_audience(block),
        }
        return self.page(request, "restore", block, context)

    @button("change", "POST")
    def preview(self, request, block):
        """What saving the form would change in the text, and whom that reaches. Saves nothing."""
        value = unix_lines(request.POST.get("value", ""))
        typed = [
            (name, unix_lines(text))
            for name, texts in request.POST.lists()
            for text in texts
            if name != "csrfmiddlewaretoken"
        ]
        context = {
            "title": "Save this change?",
            "change": diff(block.value, value),
            "length": len(value),
            "readers": find_audience(block),
            "typed": typed,
        }
        return self.page(request, "preview", block, context)

    @button("view", "GET")
    def revisions(self, request, block):
        """Older revisions: those before the number that the query names."""
        before = number_in(request.GET, "before")
        return self.page(
            request, "revisions", block, {"title": "Revisions", **history(block, before)}
        )

    def render_change_form(self, request, context, **kwargs):
        if block := kwargs.get("obj"):
            links = block.agent_links.filter(agent__deleted_at=None).select_related("agent")
            context |= {
                **history(block),
                "readers": find_audience(block),
                "reading_agents": [link.agent for link in links.order_by("id")[:READERS]],
                "readers_url": list_url("agentblock", f"?block__id__exact={block.pk}"),
                "may": self.permitted(request, block),
                "address": self.addresses(block),
            }
        return super().render_change_form(request, context, **kwargs)


def history(block, before=None):
    """What history.html draws: some revisions, newest first, each with what it changed."""
    found = block.revisions.with_older_value().select_related("written_by", "conversation", "run")
    if before is not None:
        found = found.filter(number__lt=before)
    newest = list(found[: HISTORY + 1])
    return {
        "revisions": [(revision, changed_by(revision)) for revision in newest[:HISTORY]],
        "older_than": newest[HISTORY - 1].number if len(newest) > HISTORY else None,
    }


def changed_by(revision):
    if revision.older_value is None and not revision.value:
        return badge("shared", "empty")
    return diff(revision.older_value or "", revision.value)


@admin.register(BlockRevision)
class BlockRevisionAdmin(ReadOnly, ConsoleAdmin):
    """Who changed which block, newest first. A block's own page shows what changed."""

    organization_path = "block__organization"
    ids = {"block": "block", "conversation": "conv", "run": "run"}
    list_display = ["block_link", "number", "source", "written_by", "written_at", "where", "reason"]
    list_filter = ["source", "unconditional", "written_at"]
    list_select_related = ["block", "written_by", "conversation"]
    search_fields = ["block__label", "written_by__name", "reason"]
    texts = ("value", "description", "block__value", "block__description")
    ordering = ["-id"]
    fields = ["block_link", "number", "source", "reason", "written_by", "written_at", "where"]
    fields += ["run", "unconditional", "limit", "description", "change", "value"]
    readonly_fields = ["block_link", "where", "change"]

    @admin.display(description="block")
    def block_link(self, revision):
        return link(revision.block)

    @admin.display(description="conversation")
    def where(self, revision):
        return link(revision.conversation)

    @admin.display(description="change")
    def change(self, revision):
        older = revision.block.revisions.filter(number=revision.number - 1).first()
        return diff(older.value if older else "", revision.value)
