"""Who is calling: `Authorization: Bearer <key>`, and what the key may do."""

import hmac
import re

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission

from ..domain.actor import Actor, Source
from ..domain.conversations.accounts import note_use
from ..models import ApiKey

BEARER = re.compile(r"(?i:bearer) +(?P<secret>(?P<prefix>ic-[0-9a-f]{12})-[A-Za-z0-9_-]{43}) *")


class ApiKeyAuthentication(BaseAuthentication):
    """Sets `request.user` (the member) and `request.auth` (the key), or answers 401."""

    def authenticate(self, request):
        bearer = BEARER.fullmatch(request.headers.get("Authorization", ""))
        if bearer is None:
            raise AuthenticationFailed("Unauthorized")
        secret, prefix = bearer["secret"], bearer["prefix"]
        key = ApiKey.objects.select_related("member__user").get_or_none(prefix=prefix)
        is_right = key is not None and hmac.compare_digest(key.digest, ApiKey.digest_of(secret))
        if not (is_right and key.is_usable):
            raise AuthenticationFailed("Unauthorized")
        self._check_user_header(request, key)
        note_use(key)
        return key.member, key

    def authenticate_header(self, request):
        return "Bearer"

    def _check_user_header(self, request, key):
        # V1 believed this header; here it may only repeat what the key already says.
        claimed = request.META.get("HTTP_USER_ID")
        if claimed is not None and claimed != key.member_id:
            raise PermissionDenied(
                f"The header user_id names {claimed!r}, but this key belongs to {key.member_id!r}"
            )


class KeyAllowsMethod(BasePermission):
    """A key of scope `read` may only read."""

    message = "This key has the scope 'read'; writing needs the scope 'write'"

    def has_permission(self, request, view):
        reads = request.method in SAFE_METHODS or getattr(view, "only_reads", False)
        return reads or request.auth.scope != ApiKey.Scope.READ


def actor_of(request) -> Actor:
    return Actor(request.user, Source.API)


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "conversations.api.auth.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema):
        return {"type": "http", "scheme": "bearer"}
