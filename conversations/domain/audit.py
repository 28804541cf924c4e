"""Record events of the audit log, in the transaction of what they are about."""

from typing import Any

from django.db.models import Model

from ..context import current
from ..models import AuditAction, AuditEvent, Organization
from .actor import Actor

# The columns of an export, in order.
COLUMNS = [
    *("id", "created_at", "organization_id", "action", "source", "actor", "member_id", "key_id"),
    *("object_type", "object_id", "address", "request_id", "details"),
]


def record(
    action: AuditAction,
    *,
    by: Actor,
    organization: Organization | str | None,
    about: Model | None = None,
    **details: Any,
) -> AuditEvent:
    """Append an event; the address and the id of the request come from the context.

    Args:
        action: What was done.
        by: Who did it.
        organization: Whose access or data it is about, or its id.
        about: The row that it was done to.
        details: JSON values; never secrets or texts of memory.
    """
    context = current()
    return AuditEvent.objects.create(
        organization_id=organization.pk if isinstance(organization, Organization) else organization,
        action=action,
        source=by.source,
        actor=by.name,
        member_id=by.member.pk if by.member else "",
        key_id=by.key.pk if by.key else "",
        object_type=about._meta.model_name or "" if about else "",
        object_id=str(about.pk) if about else "",
        address=context.address,
        request_id=context.request_id,
        details=details,
    )


def event_data(event: AuditEvent) -> dict[str, Any]:
    """Return an event as an export has it: values of JSON by column."""
    data = {name: getattr(event, name) for name in COLUMNS}
    return {**data, "created_at": event.created_at.isoformat()}
