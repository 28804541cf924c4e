"""The pages of folders and their files."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..domain.folders.files import delete_file, upload_file
from ..domain.folders.folders import FolderFields, create_folder, delete_folder, update_folder
from ..models import File, Folder
from .base import ConsoleAdmin
from .display import link_to, list_url, preformatted
from .fields import ObjectField
from .forms import VerbForm
from .scope import actor

# Of a text, on the page of its file.
MAX_SHOWN = 50_000


class FolderForm(VerbForm):
    """The fields of a folder."""

    metadata = ObjectField(empty=None)
    embedding = forms.CharField(
        required=False,
        max_length=200,
        help_text="A handle: provider/model. It makes the vectors; without it, search is by words.",
    )


@admin.register(Folder)
class FolderAdmin(ConsoleAdmin):
    """Folders, with the agents that have them."""

    form = FolderForm
    consequence = "Its files are deleted, also from its agents, and can't be restored."
    ids = {"pk": "source", "agent_links__agent": "agent"}
    list_display = ["name", "embedding_model", "files_in_it", "agents_with_it", "updated_at"]
    list_select_related = ["archive"]
    search_fields = ["name", "description"]
    ordering = ["-updated_at", "-id"]
    readonly_fields = [
        *("files_of_it", "id", "embedding_model", "agents_with_it"),
        *("created_at", "created_by", "updated_at", "last_updated_by"),
    ]
    common = ("name", "description", "instructions")
    add_fieldsets: Any = [(None, {"fields": [*common, "embedding", "metadata"]})]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": [*common, "metadata", "files_of_it"]}),
        (
            "Details",
            {"classes": ["collapse"], "fields": readonly_fields[1:]},
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> Any:
        live = Q(agent_links__agent__deleted_at=None)
        rows = super().get_queryset(request)
        return rows.annotate(
            agent_count=Count("agents", filter=live, distinct=True),
            file_count=Count("files", distinct=True),
        )

    @admin.display(description="agents", ordering="agent_count")
    def agents_with_it(self, folder: Any) -> Any:
        return folder.agent_count

    @admin.display(description="files", ordering="file_count")
    def files_in_it(self, folder: Any) -> Any:
        return folder.file_count

    @admin.display(description="embedding", ordering="archive__embedding")
    def embedding_model(self, folder: Folder) -> str:
        return folder.archive.embedding or "-"

    @admin.display(description="files")
    def files_of_it(self, folder: Any) -> SafeString:
        url = list_url("file", f"?folder__id__exact={folder.pk}")
        return format_html('<a href="{}">Show {:,}</a>', url, folder.file_count)

    def write(self, request: HttpRequest, form: FolderForm) -> Folder:
        values = self.changed_values(form, FolderFields)
        if not form.instance._state.adding:
            return update_folder(form.instance, by=actor(request), **values)
        embedding = form.cleaned_data["embedding"] or None
        organization = self.organization_for(request, form)
        return create_folder(organization, by=actor(request), embedding=embedding, **values)

    def delete_model(self, request: HttpRequest, obj: Folder) -> None:
        delete_folder(obj, by=actor(request))


class UploadForm(VerbForm):
    """A file to upload."""

    document = forms.FileField(
        label="File", allow_empty_file=True, help_text="A PDF, or any text in UTF-8."
    )


@admin.register(File)
class FileAdmin(ConsoleAdmin):
    """Files: uploaded, shown and deleted. A worker reads their texts."""

    form = UploadForm
    asks_organization = False
    consequence = "Agents no longer find it. It can't be restored."
    ids = {"pk": "file", "folder": "source", "agent_links__agent": "agent"}
    list_display = ["name", "folder_link", "status", "size", "chunks", "created_at"]
    list_filter = ["status"]
    list_select_related = ["folder"]
    search_fields = ["name", "folder__name"]
    ordering = ["-created_at", "-id"]
    readonly_fields = [
        *("name", "folder_link", "status", "error", "text", "id", "original_name", "media_type"),
        *("size", "chunks", "created_at", "created_by", "updated_at", "last_updated_by"),
    ]
    add_fieldsets: Any = [(None, {"fields": ["folder", "document"]})]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": readonly_fields[:5]}),
        ("Details", {"classes": ["collapse"], "fields": readonly_fields[5:]}),
    ]

    folder_link = link_to("folder", ordering="folder__name")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="text")
    def text(self, file: File) -> SafeString | str:
        if file.content is None:
            return "-"
        more = "\n…" if len(file.content) > MAX_SHOWN else ""
        return preformatted(file.content[:MAX_SHOWN] + more)

    def write(self, request: HttpRequest, form: UploadForm) -> File:
        upload = form.cleaned_data["document"]
        return upload_file(
            form.cleaned_data["folder"],
            upload.name,
            upload.read(),
            by=actor(request),
            media_type=upload.content_type or "",
        )

    def delete_model(self, request: HttpRequest, obj: File) -> None:
        delete_file(obj, by=actor(request))
