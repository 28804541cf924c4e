"""What every page of the console keeps to: the operator's organization, and the domain's verbs."""

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import models, transaction
from django.db.models import Q
from django.forms import Script, SplitDateTimeField
from django.http import HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.functional import cached_property

from ..domain.errors import DomainError
from ..ids import is_id
from ..models import Organization
from .fields import DateTimeWidget, PlainTextField
from .filters import StateFilter
from .row_views import Buttons
from .scope import OrganizationScope, actor, organization_id_of

SHOWN = 20  # rows named on a page that asks about many


def some_of(rows) -> list[str]:
    """The first rows by name, and how many there are when that is not all."""
    more = [f"and others, {len(rows)} in all"] if len(rows) > SHOWN else []
    return [str(row) for row in rows[:SHOWN]] + more


class CappedPaginator(Paginator):
    """Counts no further than anybody would page, so that long tables open as fast as short ones."""

    MOST = 10_000

    @cached_property
    def count(self):
        return self.object_list.order_by()[: self.MOST].count()


class WithoutTexts(ChangeList):
    """A list that leaves the long `texts` of its model in the database."""

    def get_queryset(self, *args, **kwargs):
        return super().get_queryset(*args, **kwargs).defer(*self.model_admin.texts)


class FoundById:
    """A list in which a whole id finds its row, and the id of a related row those of that one."""

    ids: dict[str, str] = {}  # {lookup: prefix of the ids it compares}

    def get_search_results(self, request, queryset, search_term):
        for lookup, prefix in self.ids.items():
            if is_id(prefix, search_term.strip()):
                return queryset.filter(**{lookup: search_term.strip()}), False
        return super().get_search_results(request, queryset, search_term)

    def response_action(self, request, queryset):
        try:
            for pk in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.to_python(pk)
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset)

    def names_a_row(self, request):
        """Whether the operator searches for one row by its id."""
        prefix = getattr(self.opts.pk, "prefix", None)
        return prefix is not None and is_id(prefix, request.GET.get("q", "").strip())


class ConsoleAdmin(FoundById, OrganizationScope, Buttons, admin.ModelAdmin):
    """A model's pages. Whatever they write, a domain verb writes, and its refusal is shown."""

    show_facets = admin.ShowFacets.ALLOW
    show_full_result_count = False
    paginator = CappedPaginator
    list_per_page = 50
    formfield_overrides = {
        models.TextField: {"form_class": PlainTextField},
        models.DateTimeField: {"form_class": SplitDateTimeField, "widget": DateTimeWidget},
    }
    asks_organization = True  # a superuser who adds a row; else it follows from what else is asked
    add_fieldsets: list = []  # where adding asks for other fields than changing
    states: dict[str, Q] = {}  # for StateFilter
    consequence = ""  # of deleting a row, for the page that asks
    texts: tuple[str, ...] = ()  # columns that a list does not load

    class Media:
        css = {"all": ["conversations/console.css"]}
        js = [Script("conversations/console.js", defer=True)]

    # Lists

    def get_changelist(self, request, **kwargs):
        return WithoutTexts

    def get_list_display(self, request):
        columns = super().get_list_display(request)
        return [*columns, "organization"] if self.shows_organization(request) else columns

    def get_list_filter(self, request):
        filters = [StateFilter] if self.states else []
        filters += super().get_list_filter(request)
        return [*filters, "organization"] if self.shows_organization(request) else filters

    def get_list_select_related(self, request):
        related = super().get_list_select_related(request) or []
        return [*related, "organization"] if self.shows_organization(request) else related

    def shows_organization(self, request):
        return request.user.is_superuser and self.organization_path == "organization"

    def changelist_view(self, request, extra_context=None):
        self.keep_order(request)
        try:
            return super().changelist_view(request, extra_context)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def keep_order(self, request):
        """A list is sorted as its reader sorted it last, until they log out."""
        name = f"order of {self.opts.model_name}"
        if ORDER_VAR in request.GET:
            request.session[name] = request.GET[ORDER_VAR]
        elif request.method == "GET" and request.session.get(name):
            request.GET = request.GET.copy()
            request.GET[ORDER_VAR] = request.session[name]

    def confirmed(self, request, queryset, *, title, explanation, context=None):
        """None when an action was confirmed on the page that asks; else that page."""
        if "confirmed" in request.POST:
            return None
        return TemplateResponse(
            request,
            "admin/conversations/confirm.html",
            {
                **self.admin_site.each_context(request),
                "media": self.media,
                "opts": self.opts,
                "title": title,
                "explanation": explanation,
                "rows": [str(row) for row in queryset[:SHOWN]],
                "count": queryset.count(),
                "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
                "action": request.POST["action"],
                "select_across": request.POST.get("select_across", "0"),
                **(context or {}),
            },
        )

    def each(self, request, queryset, title, explanation, verb, done):
        """An action that asks, and then applies `verb` to all of the rows or to none."""
        if asks := self.confirmed(request, queryset, title=title, explanation=explanation):
            return asks
        with transaction.atomic():
            for row in queryset:
                verb(row, by=actor(request))
                self.log_change(request, row, f"{done}.")
        self.message_user(request, f"{done} {len(queryset)}.", messages.SUCCESS)
        return None

    # Adding and changing

    def get_fieldsets(self, request, obj=None):
        """A superuser says on adding which organization owns the row; others have but one."""
        if obj is None and self.add_fieldsets:
            fieldsets = self.add_fieldsets
        else:
            fieldsets = super().get_fieldsets(request, obj)
        if self.shows_organization(request) and (obj or self.asks_organization):
            (title, first), *others = fieldsets
            first = {**first, "fields": ["organization", *first["fields"]]}
            fieldsets = [(title, first), *others]
        return fieldsets

    def get_readonly_fields(self, request, obj=None):
        readonly = super().get_readonly_fields(request, obj)
        return [*readonly, "organization"] if obj and self.shows_organization(request) else readonly

    def has_change_permission(self, request, obj=None):
        """What is deleted can be looked at and restored, not edited."""
        return super().has_change_permission(request, obj) and not getattr(obj, "deleted_at", None)

    def has_delete_permission(self, request, obj=None):
        return super().has_delete_permission(request, obj) and not getattr(obj, "deleted_at", None)

    def get_changeform_initial_data(self, request):
        initial = super().get_changeform_initial_data(request)
        return {"organization": organization_id_of(request), **initial}

    def organization_of(self, request, form):
        """Who will own the row that `form` adds."""
        chosen = form.cleaned_data.get("organization")
        return chosen or Organization.objects.get(pk=organization_id_of(request))

    def chosen(self, form, fields):
        """The values that the operator changed, of those that the TypedDict `fields` names."""
        return {
            name: form.cleaned_data[name]
            for name in form.changed_data
            if name in fields.__annotations__
        }

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        if isinstance(db_field, models.TextField) and db_field.null:
            kwargs["empty_value"] = None
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_form(self, request, obj=None, change=False, **kwargs):
        form = super().get_form(request, obj, change=change, **kwargs)
        form.refusals = getattr(request, "refusals", {})
        return form

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        request.refusals = {}
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except DomainError:  # see refusals.py
            return super().changeform_view(request, object_id, form_url, extra_context)

    # Deleting

    def get_deleted_objects(self, objs, request):
        """Deleting hides: nothing cascades, so there is nothing to collect."""
        refused = [obj for obj in objs if not self.has_delete_permission(request, obj)]
        return some_of(objs), {}, set(), some_of(refused)

    def delete_view(self, request, object_id, extra_context=None):
        context = {"consequence": self.consequence, **(extra_context or {})}
        try:
            return super().delete_view(request, object_id, context)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    @transaction.atomic
    def delete_queryset(self, request, queryset):
        for row in queryset:
            self.delete_model(request, row)


class ReadOnly:
    """Rows that only verbs write: the console shows them."""

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False
