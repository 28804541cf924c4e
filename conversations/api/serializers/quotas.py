"""Request bodies of quotas."""

from typing import Any

from rest_framework import serializers

from ...domain.conversations.accounts import MAX_QUOTA
from ...models import Organization, Quota
from ...models.accounts import MAX_RETENTION_DAYS
from .fields import OPTIONAL, Input, StrictInteger


class QuotasBody(Input):
    """Quotas and retention to change. Null restores the server's default."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = {quota: _field(quota, MAX_QUOTA) for quota in Quota.values}
        name = "conversation_retention_days"
        return {**fields, name: _field(name, MAX_RETENTION_DAYS)}


def _field(name: str, maximum: int) -> StrictInteger:
    column: Any = Organization._meta.get_field(name)
    return StrictInteger(min_value=1, max_value=maximum, help_text=column.help_text, **OPTIONAL)
