"""Verbs of organizations, members and API keys."""

import secrets
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict, Unpack

from django.db import IntegrityError, transaction
from django.utils import timezone

from ...conf import conf
from ...models import ApiKey, AuditAction, Member, Organization, Scope
from ...models.accounts import MAX_RETENTION_DAYS
from ..actor import SERVER, Actor
from ..audit import record
from ..errors import Conflict, InvalidArgument, InvalidValue, NotAllowed
from ..tools.catalog import insert_built_in_tools

# How long a rotated key stays valid beside its successor.
ROTATION_OVERLAP = timedelta(hours=24)
MAX_ROTATION_OVERLAP = timedelta(days=30)

MAX_QUOTA = 2**53 - 1  # what every JSON parser reads exactly

# "default" stands for API_KEY_LIFETIME days from now, None for no expiry.
Expiry = datetime | None | Literal["default"]


class MemberFields(TypedDict, total=False):
    """What a caller may change of a member."""

    name: str
    is_active: bool
    user: Any


class OrganizationFields(TypedDict, total=False):
    """What an operator may set on an organization; None restores the server's default."""

    name: str

    requests_per_minute: int | None
    key_requests_per_minute: int | None
    concurrent_turns: int | None
    max_conversations: int | None
    max_memory_characters: int | None
    conversation_retention_days: int | None


def create_organization(name: str) -> Organization:
    """Create an organization with the built-in tools."""
    organization = Organization.objects.create(name=name)
    insert_built_in_tools(organization)
    return organization


@transaction.atomic
def update_organization(
    organization: Organization, *, by: Actor, **changes: Unpack[OrganizationFields]
) -> Organization:
    """Change the name, the quotas or the retention of an organization; return the fresh row."""
    locked = Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    for name, value in changes.items():
        maximum = MAX_RETENTION_DAYS if name == "conversation_retention_days" else MAX_QUOTA
        if isinstance(value, int) and not 0 < value <= maximum:
            raise InvalidValue(name, f"expected a number from 1 to {maximum}, got {value}")
        setattr(locked, name, value)
    locked.save(update_fields=list(changes))
    record(AuditAction.QUOTA_CHANGED, by=by, organization=locked, about=locked, **changes)
    return locked


@transaction.atomic
def create_member(
    organization: Organization | None,
    name: str,
    *,
    user: Any = None,
    is_active: bool = True,
    by: Actor = SERVER,
) -> Member:
    """Create a member; `user`, of AUTH_USER_MODEL, acts as it in the console."""
    member = Member(organization=organization, name=name, user=user, is_active=is_active)
    _save_member(member)
    record(AuditAction.MEMBER_CREATED, by=by, organization=organization, about=member, name=name)
    return member


@transaction.atomic
def update_member(member: Member, *, by: Actor, **changes: Unpack[MemberFields]) -> Member:
    """Rename, activate or deactivate a member, or link it to a user; keys of an inactive one fail.

    A member cannot deactivate itself.
    """
    if changes.get("is_active") is False and by.member == member:
        raise Conflict(f"Member {member.name!r} can't deactivate itself")
    for name, value in changes.items():
        setattr(member, name, value)
    _save_member(member)
    shown = {name: str(value) if name == "user" else value for name, value in changes.items()}
    record(
        AuditAction.MEMBER_CHANGED, by=by, organization=member.organization, about=member, **shown
    )
    return member


def _save_member(member: Member) -> None:
    try:
        with transaction.atomic():
            member.save()
    except IntegrityError:
        raise Conflict(
            f"Another member is called {member.name!r}, or is linked to the same user"
        ) from None


@transaction.atomic
def issue_key(
    member: Member,
    *,
    scope: str = Scope.WRITE,
    name: str = "",
    expires_at: Expiry = "default",
    by: Actor = SERVER,
) -> tuple[ApiKey, str]:
    """Create a key that acts as `member`; return it and its secret, which is not stored."""
    key, secret = _insert_key(member, scope=scope, name=name, expires_at=expires_at, by=by)
    _record(AuditAction.KEY_CREATED, key, by=by, scope=scope, member=member.pk)
    return key, secret


@transaction.atomic
def rotate_key(
    key: ApiKey, *, overlap: timedelta = ROTATION_OVERLAP, by: Actor = SERVER
) -> tuple[ApiKey, str]:
    """Create the successor of a key, and let the key expire after the overlap.

    The successor has the member, scope, name and lifetime of the key. Returns it and its secret.
    """
    key = _lock(key)
    if not timedelta(0) <= overlap <= MAX_ROTATION_OVERLAP:
        raise InvalidValue(
            "overlap",
            f"expected 0 to {MAX_ROTATION_OVERLAP.total_seconds():.0f} seconds, "
            f"got {overlap.total_seconds():.0f}",
        )
    if not key.is_usable:
        raise Conflict(f"API key '{key.pk}' is revoked or expired; create another one")
    if hasattr(key, "replaced_by"):
        raise Conflict(f"API key '{key.pk}' was rotated before, into '{key.replaced_by.pk}'")
    now = timezone.now()
    successor, secret = _insert_key(
        key.member,
        scope=key.scope,
        name=key.name,
        expires_at=key.expires_at and now + (key.expires_at - key.created_at),
        by=by,
        replaces=key,
    )
    key.expires_at = min(filter(None, [key.expires_at, now + overlap]))
    key.last_updated_by = by.member
    key.save(update_fields=["expires_at", "last_updated_by", "updated_at"])
    seconds = overlap.total_seconds()
    _record(AuditAction.KEY_ROTATED, key, by=by, successor=successor.pk, overlap_seconds=seconds)
    return successor, secret


@transaction.atomic
def revoke_key(key: ApiKey, *, by: Actor = SERVER) -> ApiKey:
    """Revoke a key for good. It stays in the list."""
    key = _lock(key)
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        key.last_updated_by = by.member
        key.save(update_fields=["revoked_at", "last_updated_by", "updated_at"])
        _record(AuditAction.KEY_REVOKED, key, by=by)
    return key


def note_use(key: ApiKey) -> None:
    """Record when a key was last used, with a precision of one minute."""
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > ApiKey.LAST_USE_PRECISION:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)


def default_expiry() -> datetime:
    """Return when a key expires that is created now and names no expiry."""
    return timezone.now() + timedelta(days=conf.API_KEY_LIFETIME)


def _insert_key(
    member: Member, *, scope: str, expires_at: Expiry, by: Actor, **fields: Any
) -> tuple[ApiKey, str]:
    if member.organization_id is None:
        raise InvalidArgument(
            f"Member {member.name!r} belongs to no organization, so its key could access nothing"
        )
    _check_may_issue(member, scope, by=by)
    if expires_at == "default":
        expires_at = default_expiry()
    elif expires_at is not None and expires_at <= timezone.now():
        raise InvalidValue("expires_at", f"expected a time in the future, got {expires_at}")
    prefix = f"ic-{secrets.token_hex(6)}"
    secret = f"{prefix}-{secrets.token_urlsafe(32)}"
    key = ApiKey.objects.create(
        organization_id=member.organization_id,
        member=member,
        prefix=prefix,
        digest=ApiKey.digest_of(secret),
        scope=scope,
        expires_at=expires_at,
        created_by=by.member,
        last_updated_by=by.member,
        **fields,
    )
    return key, secret


def _check_may_issue(member: Member, scope: str, *, by: Actor) -> None:
    """Raise NotAllowed if the actor would gain rights with a key of this member and scope."""
    if by.key is not None and not Scope(by.key.scope).includes(Scope(scope)):
        raise NotAllowed(f"A key of scope '{by.key.scope}' can't create one of scope '{scope}'")
    if by.member is not None and member.is_superuser and not by.member.is_superuser:
        raise NotAllowed(
            f"Member {member.name!r} is a superuser, and only a superuser creates its keys"
        )


def _lock(key: ApiKey) -> ApiKey:
    rows = ApiKey.objects.select_related("member__user").select_for_update(of=("self",))
    return rows.get(pk=key.pk)


def _record(action: AuditAction, key: ApiKey, *, by: Actor, **details: Any) -> None:
    details = {"prefix": key.prefix, "name": key.name, **details}
    record(action, by=by, organization=key.organization_id, about=key, **details)
