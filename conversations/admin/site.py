from functools import wraps

from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import BadRequest
from django.db.models import Q
from django.template.response import TemplateResponse
from django.urls import path, reverse

from ..text import text_problem
from .counts import figures
from .exports import export_as_csv

# How the index and the sidebar group the models: by what an operator looks for.
SECTIONS = {
    "Memory": ["Agent", "Conversation", "Block", "IsolatedBlock", "BlockRevision"],
    "Activity": ["Run", "Message"],
    "Access": ["Organization", "User", "ApiKey", "Group"],
    "Records": ["AgentBlock", "ConversationMessage", "Step", "RunEvent"],
}


class ChoosableJsonView(AutocompleteJsonView):
    """Suggests only rows that may be chosen, such as no deleted ones, and tells them apart."""

    def get_queryset(self):
        return super().get_queryset().filter(getattr(self.model_admin, "choosable", Q()))

    def serialize_result(self, obj, to_field_name):
        result = super().serialize_result(obj, to_field_name)
        described = getattr(self.model_admin, "described", str)
        return {**result, "text": described(obj)}


class ConsoleSite(admin.AdminSite):
    """The operators' console."""

    site_url = None  # the console is all there is to see here
    site_header = "Conversations"
    site_title = "Conversations"
    index_title = "Console"

    def __init__(self, name="admin"):
        super().__init__(name)
        self.add_action(export_as_csv)

    def admin_view(self, view, cacheable=False):
        @wraps(view)
        def checked(request, *args, **kwargs):
            # Filters and searches would send the value to PostgreSQL, which rejects it.
            values = (value for _, values in request.GET.lists() for value in values)
            if problem := next(filter(None, map(text_problem, values)), None):
                raise BadRequest(f"The query string has {problem}")
            return view(request, *args, **kwargs)

        return super().admin_view(checked, cacheable)

    def get_urls(self):
        return [path("counts/", self.admin_view(self.counts), name="counts"), *super().get_urls()]

    def counts(self, request):
        """The index shows this; a page of its own, because counting may take a second."""
        context = {
            **self.each_context(request),
            "title": "At a glance",
            "figures": figures(self, request),
        }
        return TemplateResponse(request, "admin/conversations/counts.html", context)

    def autocomplete_view(self, request):
        return ChoosableJsonView.as_view(admin_site=self)(request)

    def get_app_list(self, request, app_label=None):
        apps = super().get_app_list(request, app_label)
        if app_label:
            return apps
        models = {model["object_name"]: model for app in apps for model in app["models"]}
        sections = {
            title: [models[name] for name in names if name in models]
            for title, names in SECTIONS.items()
        }
        return [
            {
                "name": title,
                "app_label": title.lower(),
                "app_url": reverse("admin:app_list", args=["conversations"]),
                "has_module_perms": True,
                "models": found,
            }
            for title, found in sections.items()
            if found
        ]
