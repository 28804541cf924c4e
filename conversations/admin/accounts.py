from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.utils.html import format_html

from ..domain.conversations.accounts import create_organization, issue_key, revoke_key
from ..models import ApiKey, Member, Organization
from .base import ConsoleAdmin
from .display import badge
from .forms import RefusableForm, refusable
from .row_views import button
from .scope import actor


class SuperusersOnly:
    """Others could give themselves more rights, or reach another organization."""

    def has_add_permission(self, request):
        return request.user.is_superuser

    def has_change_permission(self, request, obj=None):
        return request.user.is_superuser

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(Organization)
class OrganizationAdmin(SuperusersOnly, ConsoleAdmin):
    """An organization is never deleted here: everything it owns would go with it."""

    organization_path = "pk"
    ids = {"pk": "org"}
    list_display = ["name", "id", "created_at"]
    search_fields = ["name"]
    fieldsets = [(None, {"fields": ["name"]})]

    def get_readonly_fields(self, request, obj=None):
        return []

    def save_model(self, request, obj, form, change):
        if change:
            obj.save()
        else:
            obj.pk = create_organization(obj.name).pk
            obj.refresh_from_db()


@admin.register(Member)
class MemberAdmin(SuperusersOnly, ConsoleAdmin):
    """Members are deactivated, not deleted, since what they changed refers to them."""

    asks_organization = False
    ids = {"pk": "user", "organization": "org"}
    list_display = ["name", "user", "is_active", "created_at"]
    list_filter = ["is_active", ("user", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["name"]
    autocomplete_fields = ["organization"]
    raw_id_fields = ["user"]

    def get_autocomplete_fields(self, request):
        users = self.admin_site._registry.get(get_user_model())
        return ["organization", *(["user"] if users and users.search_fields else [])]

    def get_fieldsets(self, request, obj=None):
        organization = ["organization"] if request.user.is_superuser else []
        return [(None, {"fields": [*organization, "name", "user", "is_active"]})]

    def get_readonly_fields(self, request, obj=None):
        # Its keys and its changes belong to the organization.
        return ["organization"] if obj and obj.organization_id else []


class ApiKeyForm(RefusableForm, admin.ModelAdmin.form):
    pass


@admin.register(ApiKey)
class ApiKeyAdmin(ConsoleAdmin):
    form = ApiKeyForm
    asks_organization = False
    ids = {"pk": "key", "member": "user"}
    list_display = ["prefix", "name", "member", "scope", "state", "last_used_at", "expires_at"]
    list_filter = ["scope", ("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["member"]
    search_fields = ["prefix", "name", "member__name"]
    add_fieldsets = [(None, {"fields": ["member", "name", "scope", "expires_at"]})]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    *["member", "name", "scope", "state", "prefix"],
                    *["expires_at", "last_used_at", "revoked_at", "created_at", "created_by"],
                ]
            },
        )
    ]
    readonly_fields = ["state"]
    autocomplete_fields = ["member"]
    actions = ["revoke_selected"]
    buttons = ("revoke",)
    change_form_template = "admin/conversations/apikey/change_form.html"
    date_hierarchy = "created_at"

    def has_change_permission(self, request, obj=None):
        """A key is issued and revoked, never edited."""
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request, obj=None):
        """A revoked key stays in the list."""
        return False

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if not request.user.is_superuser:
            # A key acts as its member: only superusers get the key of a superuser's.
            field.queryset = field.queryset.exclude(user__is_superuser=True)
        return field

    def save_model(self, request, obj, form, change):
        with refusable(request, form):
            key, secret = issue_key(issued_by=actor(request).member, **form.cleaned_data)
        obj.pk = key.pk
        obj.refresh_from_db()
        self.message_user(
            request,
            format_html(
                "The secret of this key is <code>{}</code>. It is shown this once and stored "
                "nowhere: copy it now.",
                secret,
            ),
            messages.WARNING,
        )

    @admin.display(description="state")
    def state(self, key):
        if key.revoked_at:
            return badge("deleted", "revoked")
        return badge("live", "in force")

    @admin.action(description="Revoke selected API keys…", permissions=["revoke"])
    def revoke_selected(self, request, queryset):
        explanation = "Programs that send them are refused from then on. This can't be undone."
        title = "Revoke these API keys?"
        if asks := self.confirmed(request, queryset, title=title, explanation=explanation):
            return asks
        for key in queryset:
            revoke_key(key, revoked_by=actor(request).member)
            self.log_change(request, key, "Revoked.")
        self.message_user(request, f"Revoked {len(queryset)}.", messages.SUCCESS)
        return None

    def has_revoke_permission(self, request, obj=None):
        may_change = super().has_change_permission(request)
        return may_change and not (obj and obj.revoked_at)

    @button("revoke", "POST")
    def revoke(self, request, key):
        def verb(key):
            revoke_key(key, revoked_by=actor(request).member)
            return "Revoked: programs that send it are refused from now on."

        return self.press(request, key, verb)

    def render_change_form(self, request, context, **kwargs):
        if key := kwargs.get("obj"):
            context |= {"may": self.permitted(request, key), "address": self.addresses(key)}
        return super().render_change_form(request, context, **kwargs)
