"""Django's groups and stock users, for superusers only. Loaded by ConsoleConfig.

On a stock admin site, and for another user model, the project's own pages remain.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest

from ..admin.accounts import SuperusersOnly


class SuperusersAlone(SuperusersOnly):
    """These rows belong to the server, not to an organization."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)


class GroupAdmin(SuperusersAlone, DjangoGroupAdmin):
    """Groups of permissions."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)


class UserAdmin(SuperusersAlone, DjangoUserAdmin):  # type: ignore[type-arg]  # generic in stubs only
    """Who logs in. A member links a user to an organization; users are deactivated."""


admin.site.unregister(Group)
admin.site.register(Group, GroupAdmin)
if admin.site.is_registered(User):
    admin.site.unregister(User)
    admin.site.register(User, UserAdmin)
