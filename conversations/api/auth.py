"""Authentication and permission: `Authorization: Bearer <key>`, and what the key may do."""

import hmac
import re
from typing import Any, cast

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from ..context import bind
from ..domain.actor import Actor, Source
from ..domain.conversations.accounts import note_use
from ..models import ApiKey, Member, Scope
from ..tenancy import act_for, finding_key
from .schema import scope_of

BEARER = re.compile(r"(?i:bearer) +(?P<secret>(?P<prefix>ic-[0-9a-f]{12})-[A-Za-z0-9_-]{43}) *")


def find_key(authorization: str) -> ApiKey | None:
    """Return the usable key that the header `Authorization` holds, with its member and user."""
    bearer = BEARER.fullmatch(authorization)
    if bearer is None:
        return None
    with finding_key(bearer["prefix"]):
        keys = ApiKey.objects.select_related("member__user", "organization")
        key = keys.get_or_none(prefix=bearer["prefix"])
    if key is None or not hmac.compare_digest(key.digest, ApiKey.digest_of(bearer["secret"])):
        return None
    return key if key.is_usable else None


class ApiKeyAuthentication(BaseAuthentication):
    """Set `request.user` to the member and `request.auth` to the key, or respond with 401."""

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        key = find_key(request.headers.get("Authorization", ""))
        if key is None:
            raise AuthenticationFailed("Unauthorized")
        bind(organization=key.organization_id)
        self._check_user_header(request, key)
        act_for(key.organization_id)
        note_use(key)
        key.member.organization = key.organization  # Saves a query where its quotas are checked.
        return key.member, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

    def _check_user_header(self, request: Request, key: ApiKey) -> None:
        # V1 trusted this header; here it may only repeat what the key implies.
        claimed = _user_header(request)
        if claimed is not None and claimed != key.member_id:
            raise PermissionDenied(
                f"The header user_id names {claimed!r}, but this key belongs to {key.member_id!r}"
            )


def _user_header(request: Request) -> str | None:
    # Django's ASGI requests leave names with an underscore out of META.
    for name, value in getattr(request._request, "scope", {}).get("headers", ()):
        if name == b"user_id":
            return str(value, "latin1")
    return request.META.get("HTTP_USER_ID")


class KeyHasScope(BasePermission):
    """The key's scope includes the one that the operation names."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        handler = getattr(view, str(request.method).lower(), None)
        if request.method == "OPTIONS" or handler is None:  # The latter is a 405.
            return True
        has, needed = Scope(key_of(request).scope), scope_of(handler)
        self.message = f"This key has the scope '{has}'; this request needs the scope '{needed}'"
        return needed is not None and has.includes(needed)


def key_of(request: Request) -> ApiKey:
    """Return the API key of an authenticated request."""
    return cast(ApiKey, request.auth)


def actor_of(request: Request, source: Source = Source.API) -> Actor:
    """Return who writes on behalf of an authenticated request."""
    return Actor(cast(Member, request.user), source, key=key_of(request))


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """Describe the authentication in OpenAPI."""

    target_class = "conversations.api.auth.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}

    def get_security_requirement(self, auto_schema: Any) -> dict[str, list[str]]:
        scope = scope_of(getattr(auto_schema.view, auto_schema.method.lower()))
        return {self.name: [str(scope)]}
