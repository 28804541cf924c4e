"""The console's admin site."""

from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import BadRequest
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse

from ..text import text_problem
from .counts import figures
from .exports import export_as_csv

# How the index and the sidebar group the models.
SECTIONS = {
    "Memory": ["Agent", "Conversation", "Block", "IsolatedBlock", "BlockRevision", "Tool"],
    "Activity": ["Run", "Message"],
    "Access": ["Organization", "Member", "User", "ApiKey", "Group", "AuditEvent"],
    "Records": ["AgentBlock", "AgentTool", "ConversationMessage", "Step", "RunEvent"],
}


class ChoosableJsonView(AutocompleteJsonView):
    """Suggest only rows that a form accepts, with a text that tells them apart."""

    model_admin: Any

    def get_queryset(self) -> QuerySet[Model]:
        return super().get_queryset().filter(getattr(self.model_admin, "choosable", Q()))

    def serialize_result(self, obj: Model, to_field_name: str) -> dict[str, str]:
        result = super().serialize_result(obj, to_field_name)
        describe = getattr(self.model_admin, "describe", str)  # other admins lack it
        return {**result, "text": describe(obj)}


class ConsoleSite(admin.AdminSite):
    """Django's admin site with sections, counts on the index and CSV export in every list."""

    site_url = None  # the console is the whole site
    site_header = "Palimpsest"
    site_title = "Palimpsest"
    index_title = "Console"
    index_template = "conversations/index.html"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.add_action(export_as_csv)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Reject query strings that PostgreSQL cannot store, which filters and searches send."""

        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            values = (value for _, values in request.GET.lists() for value in values)
            if problem := next(filter(None, map(text_problem, values)), None):
                raise BadRequest(f"The query string has {problem}")
            return view(request, *args, **kwargs)

        return super().admin_view(checked, cacheable)

    def get_urls(self) -> list[URLResolver | URLPattern]:
        return [path("counts/", self.admin_view(self.counts), name="counts"), *super().get_urls()]

    def counts(self, request: HttpRequest) -> TemplateResponse:
        """Render the counts that the index loads; counting may take a second."""
        context = {"title": "At a glance", "figures": figures(self, request)}
        context |= self.each_context(request)
        return TemplateResponse(request, "conversations/counts.html", context)

    def autocomplete_view(self, request: HttpRequest) -> Any:
        return ChoosableJsonView.as_view(admin_site=self)(request)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Group the index by section; models that no section names stay with their app."""
        apps = super().get_app_list(request, app_label)
        if app_label:
            return apps
        models = {model["object_name"]: model for app in apps for model in app["models"]}
        sections = [
            {
                "name": title,
                "app_label": title.lower(),
                "app_url": reverse("admin:app_list", args=["conversations"]),
                "has_module_perms": True,
                "models": [models.pop(name) for name in names if name in models],
            }
            for title, names in SECTIONS.items()
        ]
        for app in apps:
            app["models"] = [m for m in app["models"] if m["object_name"] in models]
        return [section for section in [*sections, *apps] if section["models"]]
