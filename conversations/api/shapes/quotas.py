"""JSON of quotas."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ...domain.quotas import COUNTED, usage
from ...models import Organization, Quota


class QuotaJSON(TypedDict):
    """A maximum, whether it is the server's default, and how much of it is used."""

    limit: int
    is_default: bool
    used: Annotated[
        int | None, Field(description="Null for request rates; see the header `RateLimit`.")
    ]


class QuotasJSON(TypedDict):
    """The quotas of an organization, and how long it keeps conversations."""

    requests_per_minute: QuotaJSON
    key_requests_per_minute: QuotaJSON
    concurrent_turns: QuotaJSON
    max_conversations: QuotaJSON
    max_memory_characters: QuotaJSON
    conversation_retention_days: Annotated[
        int | None, Field(description="Null: conversations are kept.")
    ]


def quotas_json(organization: Organization) -> QuotasJSON:
    """Return the quotas of an organization. Three queries."""
    return {
        "requests_per_minute": _quota_json(organization, Quota.REQUESTS_PER_MINUTE),
        "key_requests_per_minute": _quota_json(organization, Quota.KEY_REQUESTS_PER_MINUTE),
        "concurrent_turns": _quota_json(organization, Quota.CONCURRENT_TURNS),
        "max_conversations": _quota_json(organization, Quota.MAX_CONVERSATIONS),
        "max_memory_characters": _quota_json(organization, Quota.MAX_MEMORY_CHARACTERS),
        "conversation_retention_days": organization.conversation_retention_days,
    }


def _quota_json(organization: Organization, quota: Quota) -> QuotaJSON:
    return {
        "limit": organization.quota(quota),
        "is_default": getattr(organization, quota) is None,
        "used": usage(organization.pk, quota) if quota in COUNTED else None,
    }
