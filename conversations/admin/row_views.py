"""Views of one row besides its form: verbs applied at once or after a confirmation page."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from ..domain.errors import DomainError
from .scope import ModelAdmin, record_superuser


def row_view(permission: str, *methods: str) -> Callable[[Callable[..., HttpResponse]], Any]:
    """Pass a view the row that its URL names, if the operator has this permission for the row.

    A row of another organization is not found. Only a POST may change anything. If a verb refuses,
    the operator sees why on the confirmation page, or on the row's page if there is none.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Any:
        @wraps(view)
        def wrapped(self: Any, request: HttpRequest, object_id: str) -> Any:
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            row = self.get_object(request, unquote(object_id))
            if row is None:
                return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
            if not getattr(self, f"has_{permission}_permission")(request, row):
                raise PermissionDenied
            if request.method == "POST":
                record_superuser(request, row, self.organization_path, view.__name__)
            try:
                return view(self, request, row)
            except DomainError as error:
                if request.method == "POST" and "GET" in methods:
                    self.message_user(request, f"Not saved. {error}", messages.ERROR)
                    return redirect(request.get_full_path())
                self.message_user(request, str(error), messages.ERROR)
                return self.redirect_to(row)

        made: Any = wrapped
        made.permission = permission
        return made

    return decorate


def number_in(query: QueryDict, name: str) -> int | None:
    """Return a parameter that is a whole number of up to nine digits, else None."""
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


class RowViews(ModelAdmin):
    """A model admin with views of one row; `row_views` names its methods that are such views."""

    row_views: tuple[str, ...] = ()

    def get_urls(self) -> list[URLPattern]:
        views = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(getattr(self, name)),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{name}",
            )
            for name in self.row_views
        ]
        return [*views, *super().get_urls()]

    def succeed(self, request: HttpRequest, row: Model, message: str) -> HttpResponse:
        """Log a change of the row, tell the operator and redirect to the row's page."""
        self.log_change(request, row, message)
        self.message_user(request, message, messages.SUCCESS)
        return self.redirect_to(row)

    def redirect_to(self, row: Model) -> HttpResponse:
        """Redirect to the row's page."""
        opts = row._meta
        return redirect(f"admin:{opts.app_label}_{opts.model_name}_change", quote(row.pk))

    def render_page(
        self, request: HttpRequest, name: str, row: Model, context: dict[str, Any]
    ) -> HttpResponse:
        """Render the template `name` of this model as a page about one row."""
        about_row = {"original": row, "subtitle": str(row), **self.view_context(request, row)}
        name = f"{self.opts.model_name}/{name}"
        return self.render(request, name, {**about_row, **context})

    def render(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        """Render the template `name` as a page of this model."""
        of_model = {**self.admin_site.each_context(request), "media": self.media, "opts": self.opts}
        name = f"admin/conversations/{name}.html"
        return TemplateResponse(request, name, {**of_model, **context})

    def view_context(self, request: HttpRequest, row: Model) -> dict[str, Any]:
        """Return the URLs of the row's views, and the names of those that the operator may use."""
        prefix = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        urls = {name: reverse(f"{prefix}_{name}", args=[quote(row.pk)]) for name in self.row_views}
        permissions = {name: getattr(self, name).permission for name in self.row_views}
        may = {
            name
            for name, permission in permissions.items()
            if getattr(self, f"has_{permission}_permission")(request, row)
        }
        return {"urls": urls, "may": may}

    def form_context(self, request: HttpRequest, row: Any, context: Any) -> dict[str, Any]:
        """Return what else the template of the row's form needs."""
        return {}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if row := kwargs.get("obj"):
            context |= self.view_context(request, row) | self.form_context(request, row, context)
        return super().render_change_form(request, context, *args, **kwargs)
