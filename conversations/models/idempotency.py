"""What requests with an `Idempotency-Key` did."""

from datetime import timedelta

from django.db import models
from django.db.models import Q

from .accounts import Organization
from .base import OrganizationQuerySet
from .runs import Run
from .secrets import SecretField


class IdempotencyRecord(models.Model):
    """The run that a POST with an Idempotency-Key started, or the response that it got.

    It is stored in the transaction of what the request wrote, counts for LIFETIME after
    `created_at`, and can be deleted afterwards.
    """

    LIFETIME = timedelta(hours=24)

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the request.")
    run = models.ForeignKey(
        Run, models.CASCADE, null=True, blank=True, related_name="idempotency_records"
    )
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="HTTP status.")
    headers = models.JSONField(default=dict, blank=True)
    # Encrypted, because the response to the creation of an API key contains it.
    body = SecretField(default="", blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "key"], name="idempotency_key_is_unique_per_organization"
            ),
            models.CheckConstraint(
                condition=Q(run__isnull=True) | Q(status__isnull=True),
                name="idempotency_record_has_a_run_or_a_response",
            ),
        ]

    def __str__(self) -> str:
        return self.key
