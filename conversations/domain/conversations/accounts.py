"""Verbs of organizations, members and API keys."""

import secrets
from datetime import datetime
from typing import Any

from django.utils import timezone

from ...models import ApiKey, Member, Organization, Scope
from ..errors import InvalidArgument


def create_organization(name: str) -> Organization:
    """Create an organization."""
    return Organization.objects.create(name=name)


def create_member(organization: Organization, name: str, *, user: Any = None) -> Member:
    """Create a member; `user`, of AUTH_USER_MODEL, acts as it in the console."""
    return Member.objects.create(organization=organization, name=name, user=user)


def issue_key(
    member: Member,
    *,
    scope: Scope = Scope.WRITE,
    name: str = "",
    expires_at: datetime | None = None,
    issued_by: Member | None = None,
) -> tuple[ApiKey, str]:
    """Create a key that acts as `member`; return it and its secret, which is not stored."""
    if member.organization_id is None:
        raise InvalidArgument(
            f"Member {member.name!r} belongs to no organization, so its key could access nothing"
        )
    prefix = f"ic-{secrets.token_hex(6)}"
    secret = f"{prefix}-{secrets.token_urlsafe(32)}"
    key = ApiKey.objects.create(
        organization_id=member.organization_id,
        member=member,
        name=name,
        prefix=prefix,
        digest=ApiKey.digest_of(secret),
        scope=scope,
        expires_at=expires_at,
        created_by=issued_by,
        last_updated_by=issued_by,
    )
    return key, secret


def revoke_key(key: ApiKey, *, revoked_by: Member | None = None) -> ApiKey:
    """Revoke a key for good. It stays in the list."""
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        key.last_updated_by = revoked_by
        key.save(update_fields=["revoked_at", "last_updated_by", "updated_at"])
    return key


def note_use(key: ApiKey) -> None:
    """Record when a key was last used, with a precision of one minute."""
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > ApiKey.LAST_USE_PRECISION:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
