"""Organizations, their members and the members' API keys."""

import hashlib
from datetime import timedelta
from typing import Any, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from ..conf import conf
from ..ids import PrefixedUUIDField
from .base import OrganizationModel, OrganizationQuerySet

# A hundred years, which date arithmetic can handle.
MAX_RETENTION_DAYS = 36_500


class Quota(models.TextChoices):
    """What is limited. A column of `Organization`; in capitals, the default in `CONVERSATIONS`."""

    REQUESTS_PER_MINUTE = "requests_per_minute", "requests per minute"
    KEY_REQUESTS_PER_MINUTE = "key_requests_per_minute", "requests per minute of each key"
    CONCURRENT_TURNS = "concurrent_turns", "concurrent turns"
    MAX_CONVERSATIONS = "max_conversations", "conversations"
    MAX_MEMORY_CHARACTERS = "max_memory_characters", "characters of memory"


def quota_field(
    quota: Quota, help_text: str
) -> "models.PositiveBigIntegerField[int | None, int | None]":
    """Return the column of a quota."""
    return models.PositiveBigIntegerField(
        quota.label,
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=f"{help_text} Empty: the server's default.",
    )


class Organization(models.Model):
    """The tenant; owns every row."""

    id = PrefixedUUIDField(prefix="org", primary_key=True)
    name = models.CharField(max_length=200)
    requests_per_minute = quota_field(Quota.REQUESTS_PER_MINUTE, "Of all its API keys together.")
    key_requests_per_minute = quota_field(Quota.KEY_REQUESTS_PER_MINUTE, "Of a single API key.")
    concurrent_turns = quota_field(
        Quota.CONCURRENT_TURNS, "Turns that are executed or wait for a worker."
    )
    max_conversations = quota_field(
        Quota.MAX_CONVERSATIONS, "Including the default ones of agents, without deleted ones."
    )
    max_memory_characters = quota_field(
        Quota.MAX_MEMORY_CHARACTERS, "Of all blocks and passages that are not deleted."
    )
    conversation_retention_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_RETENTION_DAYS)],
        help_text="Delete conversations without a message for this many days. Empty: keep them.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["name"], name="organization_name_is_unique"),
            *(
                models.CheckConstraint(
                    condition=Q((quota, None)) | Q((f"{quota}__gt", 0)),
                    name=f"{quota}_is_positive",
                )
                for quota in [
                    "requests_per_minute",
                    "key_requests_per_minute",
                    "concurrent_turns",
                    "max_conversations",
                    "max_memory_characters",
                    "conversation_retention_days",
                ]
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def quota(self, quota: Quota) -> int:
        """Return the organization's own maximum, else the server's default."""
        own: int | None = getattr(self, quota)
        return int(getattr(conf, quota.name)) if own is None else own


def release_members(
    collector: Any, field: Any, sub_objs: models.QuerySet["Member"], using: str
) -> None:
    """Unlink the members of a deleted Django user; delete those without an organization."""
    models.SET_NULL(collector, field, sub_objs.filter(organization__isnull=False), using)
    models.CASCADE(collector, field, sub_objs.filter(organization=None), using)


class MemberQuerySet(OrganizationQuerySet["Member"]):
    """Query sets of members."""


class Member(models.Model):
    """A person or a program that acts in one organization; recorded on what it changes."""

    id = PrefixedUUIDField(prefix="user", primary_key=True)
    organization = models.ForeignKey(
        Organization,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="members",
        help_text="Only a superuser's member, who acts in every organization, can be without one.",
    )
    name = models.CharField(max_length=150)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        release_members,
        null=True,
        blank=True,
        related_name="member",
        help_text="Who logs in to the console as this member. A program has none.",
    )
    is_active = models.BooleanField(
        default=True, help_text="The API keys of an inactive member are refused."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = MemberQuerySet.as_manager()

    # Django REST framework and its throttles ask the requester.
    is_authenticated = True
    is_anonymous = False

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "name"], name="member_name_is_unique_in_organization"
            ),
            models.CheckConstraint(
                condition=Q(organization__isnull=False) | Q(user__isnull=False),
                name="only_a_users_member_is_without_organization",
                violation_error_message="A member without a Django user needs an organization.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def may_act(self) -> bool:
        """Whether the member and its Django user, if it has one, are active. Reads the user."""
        return self.is_active and (self.user is None or self.user.is_active)

    @property
    def is_superuser(self) -> bool:
        """Whether its Django user, if it has one, is a superuser. Reads the user."""
        return self.user is not None and self.user.is_superuser


class Scope(models.TextChoices):
    """What an API key may do; each scope includes the ones before it."""

    READ = "read", "read: read, search, preview and follow streams"
    CONVERSE = "converse", "converse: also conversations, their messages and their overrides"
    WRITE = "write", "write: also agents, blocks and tools"
    ADMIN = "admin", "admin: also API keys, members and the audit log"

    def includes(self, other: "Scope") -> bool:
        """Return whether this scope allows what `other` allows."""
        return SCOPES.index(self) >= SCOPES.index(other)


SCOPES = list(Scope)


class ApiKeyQuerySet(OrganizationQuerySet["ApiKey"]):
    """Query sets of API keys."""

    def active(self) -> Self:
        """Return the keys that `ApiKey.is_usable` says to be usable."""
        now = timezone.now()
        return self.filter(
            Q(expires_at=None) | Q(expires_at__gt=now),
            Q(member__user=None) | Q(member__user__is_active=True),
            revoked_at=None,
            member__is_active=True,
        )


class ApiKey(OrganizationModel):
    """A secret that a program sends; it acts as one member. Only its digest is stored."""

    # The last use is updated at most this often, so that most reads do not write.
    LAST_USE_PRECISION = timedelta(minutes=1)

    id = PrefixedUUIDField(prefix="key", primary_key=True)
    member = models.ForeignKey(Member, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=200, blank=True)
    prefix = models.CharField(
        max_length=16, editable=False, help_text="The first characters, which identify the key."
    )
    digest = models.CharField(max_length=64, editable=False)
    scope = models.CharField(max_length=8, choices=Scope.choices, default=Scope.WRITE)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    replaces = models.OneToOneField(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="replaced_by",
        help_text="The key that was rotated into this one.",
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["prefix"], name="api_key_prefix_is_unique"),
            models.CheckConstraint(
                condition=Q(scope__in=Scope.values), name="api_key_scope_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name or self.scope})"

    @property
    def is_usable(self) -> bool:
        """Whether it is neither revoked nor expired, and its member may act. Reads the member."""
        return self.state == "active"

    @property
    def state(self) -> str:
        """`active`, `revoked`, `expired` or, while its member may not act, `suspended`."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= timezone.now():
            return "expired"
        return "active" if self.member.may_act else "suspended"

    @staticmethod
    def digest_of(secret: str) -> str:
        """Return SHA-256 in hexadecimal. Secrets are 32 random bytes, so no slow hash is needed."""
        return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
