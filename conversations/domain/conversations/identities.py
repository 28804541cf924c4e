"""Create, update, delete and restore identities; attach them to agents and blocks."""

from collections.abc import Iterable, Sequence
from typing import Any, TypedDict, Unpack

from django.db import IntegrityError, transaction
from django.utils import timezone

from ...models import (
    Agent,
    AgentIdentity,
    AuditAction,
    Block,
    BlockIdentity,
    Identity,
    Organization,
)
from ..actor import Actor
from ..audit import record
from ..errors import Conflict, InvalidValue, UnknownId
from ..memory.blocks import check_not_isolated

MAX_PROPERTIES = 200


class Property(TypedDict):
    """A property of an identity."""

    key: str
    value: Any
    type: str


class IdentityFields(TypedDict, total=False):
    """What a caller may set on an identity."""

    identifier_key: str
    name: str
    identity_type: str
    properties: list[Property]
    project_id: str | None


class IdentifierTaken(Conflict):
    """The organization already has an identity with this key."""

    def __init__(self, identifier_key: str):
        super().__init__(
            f"An identity with the identifier_key {identifier_key!r} already exists; "
            "update that one or choose another key"
        )


@transaction.atomic
def create_identity(
    organization: Organization,
    *,
    by: Actor,
    agents: Iterable[Agent] = (),
    blocks: Iterable[Block] = (),
    **fields: Unpack[IdentityFields],
) -> Identity:
    """Create an identity and attach it to agents and blocks."""
    fields["properties"] = _merged([], fields.get("properties", []))
    identity = Identity(
        organization=organization, created_by=by.member, last_updated_by=by.member, **fields
    )
    _write(identity)
    _attach_agents(identity, agents)
    _attach_blocks(identity, blocks)
    return identity


@transaction.atomic
def update_identity(
    identity: Identity,
    *,
    by: Actor,
    agents: Iterable[Agent] | None = None,
    blocks: Iterable[Block] | None = None,
    replace: bool = False,
    **changes: Unpack[IdentityFields],
) -> Identity:
    """Change fields of an identity and return the fresh row.

    Agents, blocks and properties are added to those it has, or replace them. A property that is
    added replaces the one with its key.
    """
    identity = _lock(identity)
    if "properties" in changes:
        before = [] if replace else identity.properties
        changes["properties"] = _merged(before, changes["properties"])
    for name, value in changes.items():
        setattr(identity, name, value)
    identity.last_updated_by = by.member
    _write(identity, *changes, "last_updated_by", "updated_at")
    if agents is not None:
        if replace:
            identity.agent_links.all().delete()
        _attach_agents(identity, agents)
    if blocks is not None:
        if replace:
            identity.block_links.all().delete()
        _attach_blocks(identity, blocks)
    return identity


def upsert_identity(
    organization: Organization,
    *,
    by: Actor,
    agents: Iterable[Agent] | None = None,
    blocks: Iterable[Block] | None = None,
    **fields: Unpack[IdentityFields],
) -> Identity:
    """Replace the given fields of the identity with this key, or create it."""
    rows = Identity.objects.in_organization(organization).live()
    found = rows.get_or_none(identifier_key=fields["identifier_key"])
    if found is None:
        try:
            return create_identity(
                organization, by=by, agents=agents or (), blocks=blocks or (), **fields
            )
        except IdentifierTaken:  # Another request created it meanwhile.
            found = rows.get(identifier_key=fields["identifier_key"])
    return update_identity(found, by=by, agents=agents, blocks=blocks, replace=True, **fields)


@transaction.atomic
def delete_identity(identity: Identity, *, by: Actor) -> None:
    """Hide an identity until `purge` removes it. Its key can be used again; its blocks stay."""
    identity = _lock(identity)
    identity.deleted_at = timezone.now()
    identity.last_updated_by = by.member
    _write(identity, "deleted_at", "last_updated_by", "updated_at")
    record(AuditAction.DELETED, by=by, organization=identity.organization_id, about=identity)


@transaction.atomic
def restore_identity(identity: Identity, *, by: Actor) -> Identity:
    """Restore a deleted identity with its agents and blocks, unless its key is taken."""
    identity = _lock(identity, deleted=True)
    identity.deleted_at = None
    identity.last_updated_by = by.member
    _write(identity, "deleted_at", "last_updated_by", "updated_at")
    record(AuditAction.RESTORED, by=by, organization=identity.organization_id, about=identity)
    return identity


@transaction.atomic
def attach_identity(agent: Agent, identity: Identity) -> None:
    """Attach an identity to an agent. Attaching it again changes nothing."""
    _attach_agents(_lock(identity), [agent])


def detach_identity(agent: Agent, identity: Identity) -> None:
    """Detach an identity from an agent. Detaching it again changes nothing."""
    AgentIdentity.objects.filter(agent=agent, identity=identity).delete()


@transaction.atomic
def attach_identity_to_block(block: Block, identity: Identity) -> None:
    """Attach an identity to a block. Attaching it again changes nothing."""
    _attach_blocks(_lock(identity), [block])


def detach_identity_from_block(block: Block, identity: Identity) -> None:
    """Detach an identity from a block. Detaching it again changes nothing."""
    BlockIdentity.objects.filter(block=block, identity=identity).delete()


def replace_identities(agent: Agent, identities: Iterable[Identity]) -> None:
    """Replace the identities of an agent. The caller has locked it."""
    identities = list(identities)
    for identity in identities:
        if identity.organization_id != agent.organization_id:
            raise UnknownId(Identity, identity.pk)
    # Those that are deleted stay attached, so that they can be restored.
    AgentIdentity.objects.live().filter(agent=agent).exclude(identity__in=identities).delete()
    AgentIdentity.objects.bulk_create(
        [AgentIdentity(agent=agent, identity=identity) for identity in identities],
        ignore_conflicts=True,
    )


def _attach_agents(identity: Identity, agents: Iterable[Agent]) -> None:
    agents = list(agents)
    for agent in agents:
        if agent.organization_id != identity.organization_id:
            raise UnknownId(Agent, agent.pk)
    AgentIdentity.objects.bulk_create(
        [AgentIdentity(agent=agent, identity=identity) for agent in agents], ignore_conflicts=True
    )


def _attach_blocks(identity: Identity, blocks: Iterable[Block]) -> None:
    blocks = list(blocks)
    for block in blocks:
        if block.organization_id != identity.organization_id:
            raise UnknownId(Block, block.pk)
        check_not_isolated(block, f"be attached to identity '{identity.pk}'")
    BlockIdentity.objects.bulk_create(
        [BlockIdentity(block=block, identity=identity) for block in blocks], ignore_conflicts=True
    )


def _merged(before: Sequence[Property], added: Sequence[Property]) -> list[Property]:
    """Return properties with one value per key: the last one."""
    merged = list({each["key"]: each for each in [*before, *added]}.values())
    if len(merged) > MAX_PROPERTIES:
        raise InvalidValue(
            "properties", f"expected at most {MAX_PROPERTIES} properties, got {len(merged)}"
        )
    return merged


def _lock(identity: Identity, *, deleted: bool = False) -> Identity:
    rows = Identity.objects.select_for_update(no_key=True)
    locked = (rows if deleted else rows.live()).get_or_none(pk=identity.pk)
    if locked is None:
        raise UnknownId(Identity, identity.pk)
    return locked


def _write(identity: Identity, *fields: str) -> None:
    """Save an identity, or these fields of it. Raises IdentifierTaken."""
    try:
        with transaction.atomic():
            identity.save(update_fields=fields or None)
    except IntegrityError as error:
        rows = Identity.objects.in_organization(identity.organization_id).live()
        if rows.filter(identifier_key=identity.identifier_key).exclude(pk=identity.pk).exists():
            raise IdentifierTaken(identity.identifier_key) from error
        raise
