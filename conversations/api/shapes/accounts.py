"""JSON of API keys, members and events of the audit log."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ...models import ApiKey, AuditAction, AuditEvent, Member, Scope
from .fields import JSONObject, attributes, one_of


class ApiKeyJSON(TypedDict):
    """An API key, without its secret."""

    id: str
    name: str
    prefix: Annotated[str, Field(description="The first characters of the secret.")]
    scope: Annotated[str, one_of(Scope.values)]
    state: Annotated[str, one_of(["active", "revoked", "expired", "suspended"])]
    member_id: str
    created_at: datetime
    created_by_id: str | None
    expires_at: datetime | None
    last_used_at: Annotated[datetime | None, Field(description="To the minute.")]
    revoked_at: datetime | None
    replaces_id: Annotated[str | None, Field(description="The key that was rotated into this one.")]


class NewApiKeyJSON(ApiKeyJSON):
    """A new API key with its secret."""

    secret: Annotated[str, Field(description="Returned this once.")]


class MemberJSON(TypedDict):
    """A person or a program that acts in the organization."""

    id: str
    name: str
    is_active: bool
    created_at: datetime


class AuditEventJSON(TypedDict):
    """An event of the audit log."""

    id: str
    created_at: datetime
    action: Annotated[str, one_of(str(action) for action in AuditAction)]
    source: str
    actor: str
    member_id: str
    key_id: str
    object_type: str
    object_id: str
    address: str
    request_id: str
    details: JSONObject


def api_key_json(key: ApiKey) -> ApiKeyJSON:
    """Return the JSON of a key. Reads its member and the member's user."""
    return attributes(ApiKeyJSON, key)


def new_api_key_json(key: ApiKey, secret: str) -> NewApiKeyJSON:
    """Return the JSON of a new key."""
    return {**api_key_json(key), "secret": secret}


def member_json(member: Member) -> MemberJSON:
    """Return the JSON of a member."""
    return attributes(MemberJSON, member)


def audit_event_json(event: AuditEvent) -> AuditEventJSON:
    """Return the JSON of an event."""
    return attributes(AuditEventJSON, event)
