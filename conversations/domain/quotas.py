"""What an organization may store and do at a time.

A quota is checked without a lock: requests that run at the same time may exceed it together, by
what each of them adds.
"""

from contextlib import suppress

from django.core.cache import cache
from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from ..models import Block, Conversation, Organization, Passage, Quota, Run
from .actor import Actor
from .errors import QuotaExceeded

# Counting all rows takes time in a large organization. After a count, this part of what is left
# may be used before the next one, in each process that has its own cache.
ALLOWANCE_PARTS = 20
# How long it may be used, in seconds.
ALLOWANCE_TIMEOUT = 600


# What is counted in the database; request rates are counted in the cache.
COUNTED = (Quota.CONCURRENT_TURNS, Quota.MAX_CONVERSATIONS, Quota.MAX_MEMORY_CHARACTERS)


def check_conversations(organization_id: str, *, by: Actor, new: int = 1) -> None:
    """Raise QuotaExceeded unless the organization may have `new` more conversations.

    At most one query if `by` is of this organization.
    """
    _check_stored(organization_id, Quota.MAX_CONVERSATIONS, by=by, new=new)


def check_memory(organization_id: str, *, by: Actor, new: int) -> None:
    """Raise QuotaExceeded unless its memory may have `new` more characters; queries as above."""
    if new > 0:
        _check_stored(organization_id, Quota.MAX_MEMORY_CHARACTERS, by=by, new=new)


def check_turns(organization_id: str, *, by: Actor) -> None:
    """Raise QuotaExceeded unless the organization may have a turn that was just stored.

    Queries as above.
    """
    quota = Quota.CONCURRENT_TURNS
    limit = _organization(organization_id, by).quota(quota)
    others = usage(organization_id, quota) - 1
    if others >= limit:
        raise QuotaExceeded(quota, limit=limit, used=others)


def usage(organization_id: str, quota: Quota) -> int:
    """Return how much of a quota is used: a count of the database. One query."""
    if quota == Quota.CONCURRENT_TURNS:
        return Run.objects.in_organization(organization_id).active().count()
    if quota == Quota.MAX_CONVERSATIONS:
        return Conversation.objects.in_organization(organization_id).live().count()
    if quota == Quota.MAX_MEMORY_CHARACTERS:
        rows = Organization.objects.filter(pk=organization_id)
        blocks, passages = rows.values_list(_characters(Block), _characters(Passage)).get()
        return int(blocks + passages)
    raise ValueError(quota)


def _characters(model: type[Block] | type[Passage]) -> Coalesce:
    """Return the sum of the texts of one table in an organization, as a subquery."""
    rows = model._default_manager.filter(organization=OuterRef("pk"), deleted_at=None)
    total = rows.order_by().values("organization").annotate(n=Sum("characters")).values("n")
    return Coalesce(Subquery(total), 0)


def _check_stored(organization_id: str, quota: Quota, *, by: Actor, new: int) -> None:
    limit = _organization(organization_id, by).quota(quota)
    allowance = f"conversations:{quota}:{organization_id}:{limit}"
    if cache.get(allowance, 0) >= new:
        with suppress(ValueError):  # The cache has dropped it meanwhile.
            cache.decr(allowance, new)
        return
    used = usage(organization_id, quota)
    if used + new > limit:
        raise QuotaExceeded(quota, limit=limit, used=used)
    cache.set(allowance, (limit - used - new) // ALLOWANCE_PARTS, ALLOWANCE_TIMEOUT)


def _organization(organization_id: str, by: Actor) -> Organization:
    member = by.member
    if member is not None and member.organization_id == organization_id and member.organization:
        return member.organization
    return Organization.objects.get(pk=organization_id)
