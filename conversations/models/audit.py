"""The audit log: who did what to access and data, from where."""

from enum import StrEnum
from typing import Any, NoReturn

from django.db import models
from django.utils import timezone

from ..ids import PrefixedUUIDField
from .accounts import Organization
from .base import OrganizationQuerySet


class AuditAction(StrEnum):
    """What an event of the audit log records."""

    LOGIN = "login"
    LOGIN_FAILED = "login.failed"
    LOGIN_LOCKED = "login.locked"
    LOGOUT = "logout"
    KEY_CREATED = "api_key.created"
    KEY_ROTATED = "api_key.rotated"
    KEY_REVOKED = "api_key.revoked"
    MEMBER_CREATED = "member.created"
    MEMBER_CHANGED = "member.changed"
    POLICY_CHANGED = "policy.changed"
    QUOTA_CHANGED = "quota.changed"
    IMPORTED = "data.imported"
    EXPORTED = "data.exported"
    DELETED = "data.deleted"
    RESTORED = "data.restored"
    PURGED = "data.purged"
    SUPERUSER_ACTED = "superuser.acted"


class AppendOnly(TypeError):
    """A row of the audit log was to be changed or deleted."""

    def __init__(self) -> None:
        super().__init__("The audit log is append-only: its rows are not changed or deleted")


class AuditEventQuerySet(OrganizationQuerySet["AuditEvent"]):
    """Query sets of audit events, which refuse to write."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly


class AuditEvent(models.Model):
    """One event of the audit log. On PostgreSQL, a trigger rejects updates and deletes.

    Who acted and on what is text, not references: it stays when those rows are deleted.
    """

    id = PrefixedUUIDField(prefix="audit", primary_key=True)
    organization = models.ForeignKey(
        Organization,
        models.PROTECT,
        null=True,
        related_name="audit_events",
        help_text="Whose access or data it is about; none for logins of superusers and strangers.",
    )
    created_at = models.DateTimeField("time", default=timezone.now)
    action = models.CharField(max_length=40)
    source = models.CharField(max_length=10, help_text="Through what: api, admin, command, import.")
    actor = models.CharField(max_length=150, help_text="Name of the member or the Django user.")
    member_id = models.CharField(max_length=50, blank=True)
    key_id = models.CharField("API key", max_length=50, blank=True)
    object_type = models.CharField(max_length=50, blank=True)
    object_id = models.CharField(max_length=50, blank=True)
    address = models.CharField(max_length=64, blank=True, help_text="The client's IP address.")
    request_id = models.CharField("request", max_length=128, blank=True)
    details = models.JSONField(default=dict, help_text="Never secrets or texts of memory.")

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["organization", "created_at", "id"], name="audit_of_organization"),
            models.Index(fields=["created_at", "id"], name="audit_by_time"),
            models.Index(fields=["object_id"], name="audit_by_object"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor or self.source}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the event; raise AppendOnly if it is stored already."""
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly
