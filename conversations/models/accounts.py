"""Who may use the server: organizations, their users and the users' API keys."""

import hashlib
from datetime import timedelta

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.utils import timezone

from ..ids import PrefixedUUIDField
from .base import OrganizationModel, OrganizationQuerySet


class Organization(models.Model):
    """The tenant; owns every row."""

    id = PrefixedUUIDField(prefix="org", primary_key=True)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["name"], name="organization_name_is_unique")]

    def __str__(self):
        return self.name


class User(AbstractUser):
    """A person or program that acts; recorded on what it changes."""

    id = PrefixedUUIDField(prefix="user", primary_key=True)
    organization = models.ForeignKey(
        Organization,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="users",
        help_text="Only a superuser, who may see every organization, can be without one.",
    )

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(organization__isnull=False) | Q(is_superuser=True),
                name="only_a_superuser_is_without_organization",
                violation_error_message="A user who is not a superuser needs an organization.",
            )
        ]


class ApiKey(OrganizationModel):
    """A secret a program sends; it acts as one user. Only its digest is stored."""

    class Scope(models.TextChoices):
        READ = "read", "read: GET only"
        WRITE = "write", "write: everything but accounts"
        ADMIN = "admin", "admin: everything"

    # The last use is written at most this often, so that reading does not mean writing.
    LAST_USE_PRECISION = timedelta(minutes=1)

    id = PrefixedUUIDField(prefix="key", primary_key=True)
    user = models.ForeignKey(User, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=200, blank=True)
    prefix = models.CharField(
        max_length=16, editable=False, help_text="The key's beginning: finds it, proves nothing."
    )
    digest = models.CharField(max_length=64, editable=False)
    scope = models.CharField(max_length=5, choices=Scope.choices, default=Scope.WRITE)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["prefix"], name="api_key_prefix_is_unique"),
            models.CheckConstraint(
                condition=Q(scope__in=["read", "write", "admin"]), name="api_key_scope_is_known"
            ),
        ]

    def __str__(self):
        return f"{self.prefix}… ({self.name or self.scope})"

    @property
    def is_usable(self) -> bool:
        """Neither revoked nor expired, and the key's user is active. Reads the user."""
        is_expired = self.expires_at is not None and self.expires_at <= timezone.now()
        return self.revoked_at is None and not is_expired and self.user.is_active

    @staticmethod
    def digest_of(secret: str) -> str:
        """SHA-256 in hexadecimal. The secret is 32 random bytes: a slow hash would buy nothing."""
        return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
