"""Buttons of a row's page: verbs pressed at once, or asked about on a page of their own."""

from functools import wraps

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from ..domain.errors import DomainError


def button(permission: str, *methods: str):
    """A view of the row that the URL names, for those who have this permission for it.

    A row of another organization is not found. Only a POST may change anything.
    """

    def decorate(view):
        @wraps(view)
        def pressed(self, request, object_id):
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            row = self.get_object(request, unquote(object_id))
            if row is None:
                return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
            if not getattr(self, f"has_{permission}_permission")(request, row):
                raise PermissionDenied
            return view(self, request, row)

        pressed.permission = permission
        return pressed

    return decorate


def number_in(query, name: str) -> int | None:
    """A whole number that an address or a button names, if it is one."""
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


class Buttons:
    """Part of a model admin: `buttons` names its methods that are such views."""

    buttons: tuple[str, ...] = ()

    def get_urls(self):
        views = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(getattr(self, name)),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{name}",
            )
            for name in self.buttons
        ]
        return [*views, *super().get_urls()]

    def permitted(self, request, row) -> set[str]:
        """The names of the buttons that the operator may press, for templates."""
        return {
            name
            for name in self.buttons
            if getattr(self, f"has_{getattr(self, name).permission}_permission")(request, row)
        }

    def addresses(self, row) -> dict[str, str]:
        """Of the buttons, for templates: looked up once, however often a page shows them."""
        named = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        return {name: reverse(f"{named}_{name}", args=[quote(row.pk)]) for name in self.buttons}

    def press(self, request, row, verb):
        """Apply `verb` to the row, say what it did, and show `row`."""
        try:
            self.done(request, row, verb(row))
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
        return self.show(row)

    def done(self, request, row, what):
        self.log_change(request, row, what)
        self.message_user(request, what, messages.SUCCESS)

    def show(self, row):
        """The answer that leads to a row's page."""
        opts = row._meta
        return redirect(f"admin:{opts.app_label}_{opts.model_name}_change", quote(row.pk))

    def page(self, request, name, row, context):
        """A page about one row, besides its form."""
        return TemplateResponse(
            request,
            f"admin/conversations/{self.opts.model_name}/{name}.html",
            {
                **self.admin_site.each_context(request),
                "media": self.media,
                "opts": self.opts,
                "original": row,
                "subtitle": str(row),
                "may": self.permitted(request, row),
                "address": self.addresses(row),
                **context,
            },
        )
