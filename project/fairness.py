"""Which tenant a request belongs to, before Django has authenticated it."""

import hashlib
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, parse_cookie

from conversations.api.auth import find_key

# How many credentials a process remembers.
MAX_CREDENTIALS = 10_000


class Tenants:
    """Remembers whose credentials were authenticated: an organization's key, a user's session.

    Other requests count as those of their address, so that made-up credentials gain nothing.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, str] = {}

    def of(self, scope: dict[str, Any]) -> str:
        """Return the tenant of a request."""
        address = (scope.get("client") or ("",))[0]
        return self._known.get(_credential(scope)) or f"address {address}"

    def learn(self, scope: dict[str, Any], tenant: str | None) -> None:
        """Remember whom the credential of a request authenticated; None for nobody."""
        credential = _credential(scope)
        self._known.pop(credential, None)
        if tenant is not None:
            self._known[credential] = tenant
        if len(self._known) > MAX_CREDENTIALS:
            del self._known[next(iter(self._known))]

    def is_known(self, scope: dict[str, Any]) -> bool:
        """Return whether a request has credentials that were authenticated before."""
        return _credential(scope) in self._known


def tenant_of_credentials(scope: dict[str, Any]) -> str | None:
    """Return whom the key or the session cookie of a request authenticates. Reads the database."""
    headers = dict(scope["headers"])
    if authorization := headers.get(b"authorization"):
        key = find_key(authorization.decode("latin1"))
        return f"organization {key.organization_id}" if key else None
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin1"))
    request = HttpRequest()
    store = import_module(settings.SESSION_ENGINE).SessionStore
    request.session = store(cookies.get(settings.SESSION_COOKIE_NAME))
    user = get_user(request)
    return f"user {user.pk}" if user.is_authenticated else None


def authenticated_tenant(request: HttpRequest) -> str | None:
    """Return the tenant that Django has authenticated a request for. No query."""
    if key := getattr(request, "auth", None):
        return f"organization {key.organization_id}"
    # What `request.user` has cached, if a view has looked at it.
    user = getattr(request, "_cached_user", None)
    return f"user {user.pk}" if user is not None and user.is_authenticated else None


def _credential(scope: dict[str, Any]) -> bytes:
    """Return a digest of what authenticates a request: its key, or its cookies."""
    headers = dict(scope["headers"])
    return hashlib.sha256(headers.get(b"authorization") or headers.get(b"cookie", b"")).digest()
