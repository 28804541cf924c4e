"""The pages of archives and their passages."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..domain.archives.archives import (
    ArchiveFields,
    create_archive,
    delete_archive,
    restore_archive,
    update_archive,
)
from ..domain.archives.passages import (
    PassageChanges,
    delete_passage,
    restore_passage,
    update_passage,
)
from ..domain.archives.search import MAX_RESULTS, search_passages
from ..ids import is_id
from ..models import Archive, Passage
from .base import ConsoleAdmin, bulk_action
from .display import link, list_url
from .fields import ObjectField, WordsField
from .forms import VerbForm
from .scope import actor


class ArchiveForm(VerbForm):
    """The fields of an archive."""

    metadata = ObjectField(empty=None)


@admin.register(Archive)
class ArchiveAdmin(ConsoleAdmin):
    """Archives, with the agents that have them."""

    form = ArchiveForm
    consequence = "Its agents no longer find its passages."
    states = {"live": Q(deleted_at=None), "deleted": Q(deleted_at__isnull=False)}
    choosable = Q(deleted_at=None)
    ids = {"pk": "archive", "agent_links__agent": "agent"}
    list_display = ["name", "embedding", "agents_with_it", "updated_at"]
    search_fields = ["name", "description"]
    ordering = ["-updated_at", "-id"]
    actions = ["restore_selected"]
    readonly_fields = [
        *("id", "passages_of_it", "agents_with_it", "deleted_at"),
        *("created_at", "created_by", "updated_at", "last_updated_by"),
    ]
    add_fieldsets: Any = [(None, {"fields": ["name", "description", "embedding", "metadata"]})]
    fieldsets: ClassVar[Any] = [
        *add_fieldsets,
        ("Details", {"classes": ["collapse"], "fields": readonly_fields}),
    ]

    def get_queryset(self, request: HttpRequest) -> Any:
        live = Q(agent_links__agent__deleted_at=None)
        rows = super().get_queryset(request).filter(folder=None)
        return rows.annotate(agent_count=Count("agent_links", filter=live))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        readonly = super().get_readonly_fields(request, obj)
        # Its vectors are those of one model.
        return [*readonly, "embedding"] if obj else readonly

    @admin.display(description="agents", ordering="agent_count")
    def agents_with_it(self, archive: Any) -> Any:
        return archive.agent_count

    @admin.display(description="passages")
    def passages_of_it(self, archive: Archive) -> SafeString:
        url = list_url("passage", f"?archive__id__exact={archive.pk}")
        return format_html('<a href="{}">Show them</a>', url)

    restore_selected = bulk_action(
        restore_archive,
        "Restore",
        "Restored",
        "Their passages are restored too, except those that were deleted separately.",
    )

    def write(self, request: HttpRequest, form: ArchiveForm) -> Archive:
        values = self.changed_values(form, ArchiveFields)
        if form.instance._state.adding:
            return create_archive(self.organization_for(request, form), by=actor(request), **values)
        return update_archive(form.instance, by=actor(request), **values)

    def delete_model(self, request: HttpRequest, obj: Archive) -> None:
        delete_archive(obj, by=actor(request))


class PassageForm(VerbForm):
    """The fields of a passage."""

    tags = WordsField()
    metadata = ObjectField(empty={})


@admin.register(Passage)
class PassageAdmin(ConsoleAdmin):
    """Passages; agents and programs add them."""

    form = PassageForm
    consequence = "Agents no longer find it."
    states = {
        "live": Q(deleted_at=None, archive__deleted_at=None),
        "deleted": Q(deleted_at__isnull=False) | Q(archive__deleted_at__isnull=False),
    }
    ids = {"pk": "passage", "archive": "archive"}
    list_display = ["beginning", "archive_link", "tags", "has_vector", "created_at"]
    list_select_related = ["archive"]
    search_fields = ["text"]
    ordering = ["-created_at", "-id"]
    actions = ["restore_selected"]
    readonly_fields = [
        *("id", "archive_link", "has_vector", "embed_at", "deleted_at"),
        *("created_at", "created_by", "updated_at", "last_updated_by"),
    ]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["text", "tags", "metadata"]}),
        ("Details", {"classes": ["collapse"], "fields": readonly_fields}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        rows: Any = super().get_queryset(request)
        return rows.of_archives()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by words, with the index; show the best results."""
        term: Any = search_term.strip()
        if not term or any(is_id(prefix, term) for prefix in self.ids.values()):
            return super().get_search_results(request, queryset, search_term)
        rows: Any = queryset
        found = search_passages(rows, term[:1_000], limit=MAX_RESULTS)
        return queryset.filter(pk__in=[each.passage.pk for each in found]), False

    @admin.display(description="text")
    def beginning(self, passage: Passage) -> str:
        return str(passage) or "-"

    @admin.display(description="archive")
    def archive_link(self, passage: Passage) -> SafeString | str:
        return link(passage.archive)

    @admin.display(description="vector", boolean=True)
    def has_vector(self, passage: Passage) -> bool:
        return passage.dimensions is not None

    restore_selected = bulk_action(
        restore_passage, "Restore", "Restored", "Agents with their archives find them again."
    )

    def write(self, request: HttpRequest, form: PassageForm) -> Passage:
        values = self.changed_values(form, PassageChanges)
        return update_passage(form.instance, by=actor(request), **values)

    def delete_model(self, request: HttpRequest, obj: Passage) -> None:
        delete_passage(obj, by=actor(request))
