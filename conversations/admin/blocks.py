"""The pages of blocks and of their revisions."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from ..domain.memory.audience import find_audience
from ..domain.memory.blocks import BlockFields, create_block, delete_block, write_block
from ..domain.memory.revisions import edit_moves, find_revision, redo, restore_revision, undo
from ..models import Block, BlockRevision
from .base import ConsoleAdmin, ReadOnly
from .conversations import is_deleted
from .display import badge, diff, link, link_to, list_url
from .fields import ObjectField, WordsField, unix_lines
from .filters import FillFilter
from .forms import VersionedForm
from .row_views import number_in, row_view
from .scope import actor

PAGE_SIZE = 20  # revisions
MAX_AGENTS = 20  # named on a block's page

IN_LIVE_CONVERSATION = Q(conversation__deleted_at=None, conversation__agent__deleted_at=None)


class BlockForm(VersionedForm):
    """The fields of a block."""

    metadata = ObjectField(empty={})
    tags = WordsField()
    hidden = forms.BooleanField(required=False, help_text="Leave it out of lists.")


@admin.register(Block)
class BlockAdmin(ConsoleAdmin):
    """Shared blocks and, in other states, isolated and released ones."""

    form = BlockForm
    consequence = "It is detached from its agents. Isolated blocks of its label stay."
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
    deferred = ("value", "description")
    ids = {"pk": "block", "agents": "agent", "conversation": "conv"}
    list_display = [
        *("label", "beginning", "size", "belongs_to", "agent_count", "version", "updated_at")
    ]
    list_filter = [FillFilter, "read_only", "hidden", "updated_at"]
    row_views = ("undo", "redo", "restore", "preview", "revisions")
    list_select_related = ["conversation"]
    search_fields = ["label", "description", "value"]
    ordering = ["-updated_at", "-id"]
    readonly_fields = [
        *("id", "deleted_at", "created_at", "created_by", "updated_at", "last_updated_by")
    ]
    add_fieldsets: Any = [
        (None, {"fields": ["label", "value", "limit", "description", "read_only", "tags"]}),
        ("Settings", {"classes": ["collapse"], "fields": ["copy_on_write", "metadata", "hidden"]}),
    ]
    fieldsets: ClassVar[Any] = [
        *add_fieldsets,
        ("Details", {"classes": ["collapse"], "fields": readonly_fields}),
    ]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows: Any = super().get_queryset(request)
        return rows.with_agent_count().annotate(start=Left("value", 80))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        readonly = super().get_readonly_fields(request, obj)
        # An isolated block keeps the label that it overrides.
        return [*readonly, "label"] if obj and obj.is_isolated else readonly

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        deleted = obj and obj.is_isolated and is_deleted(obj.conversation)
        return super().has_change_permission(request, obj) and not deleted

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep an isolated block as long as its conversation, where its label is released."""
        return super().has_delete_permission(request, obj) and not (obj and obj.is_isolated)

    def describe(self, block: Any) -> str:
        """Return the label and the beginning of the text: many blocks have the same label."""
        return f"{block.label}: {self.beginning(block)}"

    @admin.display(description="value")
    def beginning(self, block: Any) -> str:
        return f"{block.start}…" if block.characters > 80 else block.start or "-"

    @admin.display(description="characters", ordering="characters")
    def size(self, block: Any) -> str:
        return f"{block.characters:,} / {block.limit:,}"

    @admin.display(description="owner")
    def belongs_to(self, block: Block) -> SafeString | str:
        return link(block.conversation) if block.is_isolated else badge("shared")

    @admin.display(description="agents", ordering="agent_count")
    def agent_count(self, block: Any) -> Any:
        return block.agent_count

    # Writing

    def write(self, request: HttpRequest, form: BlockForm) -> Block:
        values = self.changed_values(form, BlockFields)
        if form.instance._state.adding:
            return create_block(self.organization_for(request, form), by=actor(request), **values)
        version = form.cleaned_data["version"]
        return write_block(form.instance, by=actor(request), expected_version=version, **values)

    def delete_model(self, request: HttpRequest, obj: Block) -> None:
        delete_block(obj, by=actor(request))

    # Views of one block

    @row_view("change", "POST")
    def undo(self, request: HttpRequest, block: Block) -> HttpResponse:
        """Undo the last edit."""
        undo(block, by=actor(request), expected_version=number_in(request.POST, "version"))
        return self.succeed(request, block, "Undid the last edit.")

    @row_view("change", "POST")
    def redo(self, request: HttpRequest, block: Block) -> HttpResponse:
        """Redo the edit that was undone last."""
        redo(block, by=actor(request), expected_version=number_in(request.POST, "version"))
        return self.succeed(request, block, "Redid the edit.")

    @row_view("change", "GET", "POST")
    def restore(self, request: HttpRequest, block: Block) -> HttpResponse:
        """Show what restoring a revision changes and who reads the block, then restore it."""
        revision = find_revision(block, number_in(request.GET, "number") or 0)
        if request.method == "POST":
            version = number_in(request.POST, "version")
            restore_revision(block, revision.number, by=actor(request), expected_version=version)
            return self.succeed(request, block, f"Restored revision {revision.number}.")
        context = {
            "title": f"Restore revision {revision.number}?",
            "revision": revision,
            "change": diff(block.value, revision.value),
            "audience": find_audience(block),
        }
        return self.render_page(request, "restore", block, context)

    @row_view("change", "POST")
    def preview(self, request: HttpRequest, block: Block) -> HttpResponse:
        """Show what saving the form would change, and who reads the block. Saves nothing."""
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
            "audience": find_audience(block),
            "typed": typed,
        }
        return self.render_page(request, "preview", block, context)

    @row_view("view", "GET")
    def revisions(self, request: HttpRequest, block: Block) -> HttpResponse:
        """Show the revisions before the number `before`, or the newest ones."""
        context = {"title": "Revisions", **history(block, number_in(request.GET, "before"))}
        return self.render_page(request, "revisions", block, context)

    def form_context(self, request: HttpRequest, row: Block, context: Any) -> dict[str, Any]:
        links = row.agent_links.filter(agent__deleted_at=None).select_related("agent")
        return {
            **history(row),
            "audience": find_audience(row),
            "moves": edit_moves([row])[row.pk],
            "agents": [link.agent for link in links.order_by("id")[:MAX_AGENTS]],
            "agents_url": list_url("agentblock", f"?block__id__exact={row.pk}"),
        }


def history(block: Block, before: int | None = None) -> dict[str, Any]:
    """Return what history.html renders: revisions, newest first, each with its change."""
    found: Any = block.revisions.with_older_value().select_related(
        "written_by", "conversation", "run"
    )
    if before is not None:
        found = found.filter(number__lt=before)
    newest = list(found[: PAGE_SIZE + 1])
    return {
        "revisions": [(revision, _change(revision)) for revision in newest[:PAGE_SIZE]],
        "older_than": newest[PAGE_SIZE - 1].number if len(newest) > PAGE_SIZE else None,
    }


def _change(revision: Any) -> SafeString:
    if revision.older_value is None and not revision.value:
        return badge("shared", "empty")
    return diff(revision.older_value or "", revision.value)


@admin.register(BlockRevision)
class BlockRevisionAdmin(ReadOnly, ConsoleAdmin):
    """Edits of all blocks, newest first. A block's own page shows what each one changed."""

    organization_path = "block__organization"
    ids = {"block": "block", "conversation": "conv", "run": "run"}
    list_display = [
        *("written_at", "block_link", "number", "source", "written_by", "where", "reason")
    ]
    list_filter = ["source", "written_at"]
    list_select_related = ["block", "written_by", "conversation"]
    search_fields = ["block__label", "written_by__name", "reason"]
    deferred = ("value", "description", "block__value", "block__description")
    ordering = ["-id"]
    fields = [
        *("block_link", "number", "source", "reason", "written_by", "written_at", "where", "run"),
        *("unconditional", "limit", "description", "change", "value"),
    ]
    readonly_fields = ["block_link", "where", "change"]

    block_link = link_to("block")
    where = link_to("conversation")

    @admin.display(description="change")
    def change(self, revision: BlockRevision) -> SafeString:
        older = revision.block.revisions.filter(number=revision.number - 1).first()
        return diff(older.value if older else "", revision.value)
