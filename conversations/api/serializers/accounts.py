"""Bodies and queries of API keys, members and the audit log."""

from ...domain.conversations.accounts import MAX_ROTATION_OVERLAP, ROTATION_OVERLAP
from ...models import ApiKey, AuditAction, Member, Scope
from .fields import (
    Id,
    Input,
    PageQuery,
    StrictBoolean,
    StrictChoice,
    StrictDateTime,
    StrictInteger,
    StrictString,
)

KEY_NAME = ApiKey._meta.get_field("name").max_length
MEMBER_NAME = Member._meta.get_field("name").max_length


class ListApiKeysQuery(PageQuery):
    """The query of GET /v1/api-keys/."""

    member_id = Id("user", required=False)
    active = StrictBoolean(required=False, help_text="Whether it is neither revoked nor expired.")


class CreateApiKeyBody(Input):
    """The body of POST /v1/api-keys/."""

    member_id = Id("user", required=False, help_text="By default the member of the calling key.")
    name = StrictString(default="", max_length=KEY_NAME)
    scope = StrictChoice(Scope.values, default=Scope.WRITE)
    expires_at = StrictDateTime(
        required=False,
        allow_null=True,
        help_text="Null for no expiry; by default after `API_KEY_LIFETIME` days.",
    )


class RotateApiKeyBody(Input):
    """The body of the rotation of an API key."""

    overlap_seconds = StrictInteger(
        default=round(ROTATION_OVERLAP.total_seconds()),
        min_value=0,
        max_value=round(MAX_ROTATION_OVERLAP.total_seconds()),
        help_text="How long the old key stays valid.",
    )


class ListMembersQuery(PageQuery):
    """The query of GET /v1/members/."""

    name = StrictString(required=False)
    active = StrictBoolean(required=False)


class CreateMemberBody(Input):
    """The body of POST /v1/members/."""

    name = StrictString(allow_blank=False, max_length=MEMBER_NAME)


class UpdateMemberBody(Input):
    """The body of PATCH of a member."""

    name = StrictString(required=False, allow_blank=False, max_length=MEMBER_NAME)
    is_active = StrictBoolean(required=False, help_text="The keys of an inactive member are 401.")


class ListAuditEventsQuery(PageQuery):
    """The query of GET /v1/audit-events/."""

    action = StrictChoice([str(action) for action in AuditAction], required=False)
    member_id = Id("user", required=False)
    key_id = Id("key", required=False)
    object_id = StrictString(required=False)
    start_date = StrictDateTime(required=False)
    end_date = StrictDateTime(required=False)
