"""The pages of organizations, members and API keys."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..domain.conversations.accounts import (
    MemberFields,
    create_member,
    create_organization,
    default_expiry,
    issue_key,
    revoke_key,
    rotate_key,
    update_member,
    update_organization,
)
from ..models import ApiKey, Member, Organization, Quota
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
    add_fieldsets = [(None, {"fields": ["name"]})]
    fieldsets = [
        (None, {"fields": ["name"]}),
        ("Quotas", {"fields": [*Quota.values]}),
        ("Retention", {"fields": ["conversation_retention_days"]}),
    ]

    def write(self, request: HttpRequest, form: Any) -> Organization:
        organization: Organization = form.instance
        if organization._state.adding:
            return create_organization(organization.name)
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        return update_organization(organization, by=actor(request), **changes)


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
        by = actor(request)
        if member._state.adding:
            fields: dict[str, Any] = {"user": member.user, "is_active": member.is_active}
            return create_member(member.organization, member.name, by=by, **fields)
        return update_member(member, by=by, **self.changed_values(form, MemberFields))


@admin.register(ApiKey)
class ApiKeyAdmin(ConsoleAdmin):
    """API keys, which are issued and revoked, never edited or deleted."""

    asks_organization = False
    ids = {"pk": "key", "member": "user"}
    list_display = ["prefix", "name", "member", "scope", "state", "last_used_at", "expires_at"]
    list_filter = ["scope", titled("revoked_at", "revoked", admin.EmptyFieldListFilter)]
    list_select_related = ["member__user"]
    search_fields = ["prefix", "name", "member__name"]
    add_fieldsets = [(None, {"fields": ["member", "name", "scope", "expires_at"]})]
    fields = [
        *("member", "name", "scope", "state", "prefix", "expires_at"),
        *("last_used_at", "revoked_at", "replaces", "created_at", "created_by"),
    ]
    readonly_fields = ["state"]
    autocomplete_fields = ["member"]
    actions = ["revoke_selected"]
    row_views = ("revoke", "rotate")
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
        key, form.secret = issue_key(by=actor(request), **form.cleaned_data)
        return key

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"expires_at": default_expiry(), **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Show the secret of the new key, which is not stored."""
        self.show_secret(request, form.secret)

    def show_secret(self, request: HttpRequest, secret: str) -> None:
        """Show a secret once."""
        text = "The secret of this key is <code>{}</code>. Copy it now: it is not shown again."
        self.message_user(request, format_html(text, secret), messages.WARNING)

    @admin.display(description="state")
    def state(self, key: ApiKey) -> SafeString:
        return badge("live" if key.state == "active" else "deleted", key.state)

    revoke_selected = bulk_action(
        revoke_key,
        "Revoke",
        "Revoked",
        "Requests with these keys will be rejected. This cannot be undone.",
        permission="revoke",
    )

    def has_revoke_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the operator may change keys and this one is not revoked yet."""
        return super().has_change_permission(request) and not (obj and obj.revoked_at)

    def has_rotate_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the operator may create keys of this member, and this one is in use."""
        may_add = self.has_add_permission(request) and super().has_change_permission(request)
        return may_add and bool(obj and obj.state == "active" and not hasattr(obj, "replaced_by"))

    @row_view("rotate", "POST")
    def rotate(self, request: HttpRequest, key: ApiKey) -> HttpResponse:
        """Create the successor of the key, and show its secret."""
        successor, secret = rotate_key(key, by=actor(request))
        self.log_addition(request, successor, f"Rotated from {key.prefix}.")
        key.refresh_from_db()
        until = f"{key.expires_at:%Y-%m-%d %H:%M} UTC"
        self.show_secret(request, secret)
        message = f"Rotated. The old key, {key.prefix}…, stays valid until {until}."
        self.message_user(request, message, messages.SUCCESS)
        return self.redirect_to(successor)

    @row_view("revoke", "POST")
    def revoke(self, request: HttpRequest, key: ApiKey) -> HttpResponse:
        """Revoke the key."""
        revoke_key(key, by=actor(request))
        return self.succeed(request, key, "Revoked. Requests with this key are rejected.")
