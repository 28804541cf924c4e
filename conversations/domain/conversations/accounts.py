"""Organizations, users and API keys."""

import secrets
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from ...models import ApiKey, Organization, User
from ..errors import InvalidArgument


@transaction.atomic
def create_organization(name: str) -> Organization:
    return Organization.objects.create(name=name)


@transaction.atomic
def create_user(organization: Organization, username: str) -> User:
    """Make a user who acts by API key; without a password nobody can log in as them."""
    user = User(organization=organization, username=username)
    user.set_unusable_password()
    user.save()
    return user


@transaction.atomic
def issue_key(
    user: User,
    *,
    scope: str = ApiKey.Scope.WRITE,
    name: str = "",
    expires_at: datetime | None = None,
    issued_by: User | None = None,
) -> tuple[ApiKey, str]:
    """Make a key for `user`. Answers the row and the secret, which is stored nowhere."""
    if user.organization_id is None:
        raise InvalidArgument(
            f"User {user.get_username()!r} belongs to no organization, so a key of theirs would "
            "reach nothing"
        )
    prefix = f"ic-{secrets.token_hex(6)}"
    secret = f"{prefix}-{secrets.token_urlsafe(32)}"
    key = ApiKey.objects.create(
        organization_id=user.organization_id,
        user=user,
        name=name,
        prefix=prefix,
        digest=ApiKey.digest_of(secret),
        scope=scope,
        expires_at=expires_at,
        created_by=issued_by,
        last_updated_by=issued_by,
    )
    return key, secret


@transaction.atomic
def revoke_key(key: ApiKey, *, revoked_by: User | None = None) -> ApiKey:
    """End a key now. A revoked key stays in the list and can't be used again."""
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        key.last_updated_by = revoked_by
        key.save(update_fields=["revoked_at", "last_updated_by", "updated_at"])
    return key


def note_use(key: ApiKey) -> None:
    """Remember when a key was last used, to the minute."""
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > ApiKey.LAST_USE_PRECISION:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
