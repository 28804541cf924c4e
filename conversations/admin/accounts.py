"""The pages of organizations, members and API keys."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..domain.conversations.accounts import create_organization, issue_key, revoke_key
from ..models import ApiKey, Member, Organization
from .base import ConsoleAdmin, bulk_action
from .display import badge
from .filters import titled
from .forms import VerbForm
from .row_views import row_view
from .scope import actor


class SuperusersOnly:
    """Let only superusers write: others could extend their rights or reach an organization."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class CheckedForm(VerbForm):
    """The fields of a row that no verb checks."""

    validates_constraints = True


@admin.register(Organization)
class OrganizationAdmin(SuperusersOnly, ConsoleAdmin):
    """Organizations, which are not deleted here: all their rows would go with them."""

    form = CheckedForm
    organization_path = "pk"
    ids = {"pk": "org"}
    list_display = ["name", "id", "created_at"]
    search_fields = ["name"]
    fields = ["name"]

    def write(self, request: HttpRequest, form: Any) -> Organization:
        organization: Organization = form.instance
        if organization._state.adding:
            return create_organization(organization.name)
        organization.save()
        return organization


@admin.register(Member)
class MemberAdmin(SuperusersOnly, ConsoleAdmin):
    """Members, who are deactivated and not deleted: revisions name them."""

    form = CheckedForm
    ids = {"pk": "user", "organization": "org"}
    list_display = ["name", "user", "is_active", "created_at"]
    list_filter = [
        titled("is_active", "active"),
        titled("user", "Django user", admin.EmptyFieldListFilter),
    ]
    list_select_related = ["user"]
    search_fields = ["name"]
    fields = ["name", "user", "is_active"]
    autocomplete_fields = ["organization"]
    raw_id_fields = ["user"]

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        users = self.admin_site._registry.get(get_user_model())
        return ["organization", *(["user"] if users and users.search_fields else [])]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        # Its keys and its changes belong to the organization.
        return ["organization"] if obj and obj.organization_id else []

    def write(self, request: HttpRequest, form: CheckedForm) -> Member:
        member: Member = form.instance
        member.save()
        return member


@admin.register(ApiKey)
class ApiKeyAdmin(ConsoleAdmin):
    """API keys, which are issued and revoked, never edited or deleted."""

    asks_organization = False
    ids = {"pk": "key", "member": "user"}
    list_display = ["prefix", "name", "member", "scope", "state", "last_used_at", "expires_at"]
    list_filter = ["scope", titled("revoked_at", "revoked", admin.EmptyFieldListFilter)]
    list_select_related = ["member"]
    search_fields = ["prefix", "name", "member__name"]
    add_fieldsets = [(None, {"fields": ["member", "name", "scope", "expires_at"]})]
    fields = [
        *("member", "name", "scope", "state", "prefix", "expires_at"),
        *("last_used_at", "revoked_at", "created_at", "created_by"),
    ]
    readonly_fields = ["state"]
    autocomplete_fields = ["member"]
    actions = ["revoke_selected"]
    row_views = ("revoke",)
    change_form_template = "admin/conversations/apikey/change_form.html"
    date_hierarchy = "created_at"

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse to filter by the digest, which would tell it character by character."""
        return not lookup.startswith("digest") and super().lookup_allowed(lookup, value, request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if not request.user.is_superuser:
            # A key acts as its member, so only a superuser issues a superuser's key.
            field.queryset = field.queryset.exclude(user__is_superuser=True)
        return field

    def write(self, request: HttpRequest, form: VerbForm) -> ApiKey:
        key, form.secret = issue_key(issued_by=actor(request).member, **form.cleaned_data)
        return key

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Show the secret of the new key, which is not stored."""
        text = "The secret of this key is <code>{}</code>. Copy it now: it is not shown again."
        self.message_user(request, format_html(text, form.secret), messages.WARNING)

    @admin.display(description="state")
    def state(self, key: ApiKey) -> SafeString:
        return badge("deleted", "revoked") if key.revoked_at else badge("live", "active")

    revoke_selected = bulk_action(
        lambda key, by: revoke_key(key, revoked_by=by.member),
        "Revoke",
        "Revoked",
        "Requests with these keys will be rejected. This cannot be undone.",
        permission="revoke",
    )

    def has_revoke_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the operator may change keys and this one is not revoked yet."""
        return super().has_change_permission(request) and not (obj and obj.revoked_at)

    @row_view("revoke", "POST")
    def revoke(self, request: HttpRequest, key: ApiKey) -> HttpResponse:
        """Revoke the key."""
        revoke_key(key, revoked_by=actor(request).member)
        return self.succeed(request, key, "Revoked. Requests with this key are rejected.")
