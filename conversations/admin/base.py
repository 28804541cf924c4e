"""The base of the console's model admins: lists, forms saved by domain verbs, confirmations."""

from collections.abc import Callable, Sequence
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import models, transaction
from django.db.models import Q, QuerySet
from django.forms import Script, SplitDateTimeField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.functional import cached_property

from ..domain.errors import DomainError, InvalidArgument
from ..ids import is_id
from ..models import Organization
from .bulk import Report
from .fields import DateTimeWidget, PlainTextField
from .filters import StateFilter
from .forms import VerbForm
from .row_views import RowViews
from .scope import ModelAdmin, OrganizationScope, actor, organization_of, record_superuser

MAX_NAMED = 20  # rows that a confirmation page names


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Count at most MAX_COUNT rows, so that long tables open as fast as short ones."""

    MAX_COUNT = 10_000

    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet[Any], self.object_list)
        return rows.order_by()[: self.MAX_COUNT].count()


class DeferringChangeList(ChangeList):
    """A list that does not load the `deferred` columns of its model admin."""

    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        model_admin: Any = self.model_admin
        return super().get_queryset(*args, **kwargs).defer(*model_admin.deferred)


class IdSearch(ModelAdmin):
    """A list whose search finds a row by its id, and by the ids of related rows."""

    ids: dict[str, str] = {}  # {lookup: prefix of the ids it compares}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        for lookup, prefix in self.ids.items():
            if is_id(prefix, search_term.strip()):
                return queryset.filter(**{lookup: search_term.strip()}), False
        return super().get_search_results(request, queryset, search_term)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Report selected values that are not ids, which the database would reject."""
        try:
            for pk in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.to_python(pk)
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset, *args, **kwargs)

    def searches_one_row(self, request: HttpRequest) -> bool:
        """Return whether the search term is a whole id of this model."""
        prefix = getattr(self.opts.pk, "prefix", None)
        return prefix is not None and is_id(prefix, request.GET.get("q", "").strip())


def bulk_action(
    verb: Callable[..., object], name: str, done: str, explanation: str, permission: str = "change"
) -> Callable[..., HttpResponse | None]:
    """Return an action that asks first, then applies a verb to all selected rows or to none."""

    @admin.action(description=f"{name} selected %(verbose_name_plural)s…", permissions=[permission])
    def action(
        model_admin: "ConsoleAdmin", request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        title = f"{name} these {model_admin.opts.verbose_name_plural}?"
        if page := model_admin.confirm(request, queryset, title=title, explanation=explanation):
            return page
        with transaction.atomic():
            for row in queryset:
                record_superuser(request, row, model_admin.organization_path, name.lower())
                verb(row, by=actor(request))
                model_admin.log_change(request, row, f"{done}.")
        model_admin.message_user(request, f"{done} {len(queryset):,}.", messages.SUCCESS)
        return None

    return action


class ConsoleAdmin(IdSearch, OrganizationScope, RowViews):
    """The pages of one model. Domain verbs do all writes."""

    form = VerbForm
    show_facets = admin.ShowFacets.ALLOW
    show_full_result_count = False
    paginator = CappedPaginator
    list_per_page = 50
    formfield_overrides = {
        models.TextField: {"form_class": PlainTextField},
        models.DateTimeField: {"form_class": SplitDateTimeField, "widget": DateTimeWidget},
    }
    asks_organization = True  # whether a superuser chooses the organization of a new row
    add_fieldsets: Any = []  # if adding asks for other fields than changing
    states: dict[str, Q] = {}  # for StateFilter
    consequence = ""  # what deleting a row does, for the confirmation page
    deferred: tuple[str, ...] = ()  # columns that a list does not load

    class Media:
        css = {"all": ["conversations/console.css"]}
        js = [Script("conversations/console.js", defer=True)]

    def describe(self, row: Any) -> str:
        """Return what names a row in suggestions and on confirmation pages."""
        return str(row)

    def describe_some(self, rows: Sequence[Any]) -> list[str]:
        """Return the names of the first rows, and how many more there are."""
        more = len(rows) - MAX_NAMED
        names = [self.describe(row) for row in rows[:MAX_NAMED]]
        return [*names, f"and {more:,} more"] if more > 0 else names

    # Lists

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return DeferringChangeList

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = super().get_list_display(request)
        return [*columns, "organization"] if self.shows_organization(request) else columns

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters: list[Any] = [StateFilter] if self.states else []
        filters += super().get_list_filter(request)
        return [*filters, "organization"] if self.shows_organization(request) else filters

    def get_list_select_related(self, request: HttpRequest) -> Any:
        related: Any = super().get_list_select_related(request) or []
        return [*related, "organization"] if self.shows_organization(request) else related

    def shows_organization(self, request: HttpRequest) -> bool:
        """Return whether pages have an organization column and field."""
        return bool(request.user.is_superuser) and self.organization_path == "organization"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        self.keep_order(request)
        try:
            return super().changelist_view(request, extra_context)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def keep_order(self, request: HttpRequest) -> None:
        """Sort a list as the operator last sorted it in this session."""
        name = f"order of {self.opts.model_name}"
        if ORDER_VAR in request.GET:
            request.session[name] = request.GET[ORDER_VAR]
        elif request.method == "GET" and request.session.get(name):
            query: Any = request.GET.copy()
            query[ORDER_VAR] = request.session[name]
            request.GET = query

    def confirm(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        *,
        title: str,
        explanation: str,
        report: Report | None = None,
    ) -> HttpResponse | None:
        """Return a confirmation page for an action, or None once it is confirmed."""
        if "confirmed" in request.POST:
            return None
        about_rows = {
            "title": title,
            "explanation": explanation,
            "rows": [self.describe(row) for row in queryset[:MAX_NAMED]],
            "count": queryset.count(),
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "action": request.POST["action"],
            "select_across": request.POST.get("select_across", "0"),
            "report": report,
        }
        return self.render(request, "confirm", about_rows)

    # Adding and changing

    def write(self, request: HttpRequest, form: Any) -> models.Model:
        """Save a valid form with a domain verb and return the saved row.

        Every subclass defines it, except those that are `ReadOnly` and never save a form.
        """
        raise NotImplementedError

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, *args, **kwargs)
        form.write = staticmethod(lambda form: self.write(request, form))
        return form

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Return the row that the form's verb saved."""
        return form.saved

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Do nothing: the form's verb saved the row."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Do nothing: the form's verb saved the row."""

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Also record a superuser's save; Django calls this in its transaction."""
        record_superuser(request, form.saved, self.organization_path, "add" if add else "change")
        return super().construct_change_message(request, form, formsets, add)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Also record a superuser's deletions."""
        for row in queryset:
            record_superuser(request, row, self.organization_path, "delete")
        return super().log_deletions(request, queryset)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Add the organization, which a superuser chooses when adding a row."""
        if obj is None and self.add_fieldsets:
            fieldsets = self.add_fieldsets
        else:
            fieldsets = super().get_fieldsets(request, obj)
        if self.shows_organization(request) and (obj or self.asks_organization):
            (title, first), *others = fieldsets
            first = {**first, "fields": ["organization", *first["fields"]]}
            fieldsets = [(title, first), *others]
        return fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        readonly = super().get_readonly_fields(request, obj)
        return [*readonly, "organization"] if obj and self.shows_organization(request) else readonly

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Deny changes to a deleted row, which can be viewed and restored."""
        return super().has_change_permission(request, obj) and not getattr(obj, "deleted_at", None)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not getattr(obj, "deleted_at", None)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        return {"organization": organization_of(request), **initial}

    def organization_for(self, request: HttpRequest, form: Any) -> Organization:
        """Return the organization that will own the row that `form` adds."""
        organization: Organization | None = form.cleaned_data.get("organization")
        organization = organization or organization_of(request)
        if organization is None:
            raise InvalidArgument("You belong to no organization.")
        return organization

    def changed_values(self, form: Any, fields: Any) -> dict[str, Any]:
        """Return the values that the operator changed of the keys of the TypedDict `fields`."""
        return {
            name: form.cleaned_data[name]
            for name in form.changed_data
            if name in fields.__annotations__
        }

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if isinstance(db_field, models.TextField) and db_field.null:
            kwargs["empty_value"] = None
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    # Deleting

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name the rows only: deleting hides them, so nothing cascades."""
        refused = [obj for obj in objs if not self.has_delete_permission(request, obj)]
        return self.describe_some(objs), {}, set(), self.describe_some(refused)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        context = {"consequence": self.consequence, **(extra_context or {})}
        try:
            return super().delete_view(request, object_id, context)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_model(request, row)


class ReadOnly:
    """Rows that only verbs write and the console only shows."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
