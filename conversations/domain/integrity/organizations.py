"""Rules about organizations: rows that refer to each other have the same one."""

from collections.abc import Iterator

from django.db.models import F, Model, Q

from ...models import (
    Agent,
    AgentBlock,
    ApiKey,
    Block,
    BlockRevision,
    Conversation,
    ConversationMessage,
    IsolatedBlock,
    Message,
    Organization,
    ReadingPeriod,
    Run,
    Step,
)
from .rows import BrokenRow

# A model, the relation to the row that has its organization, and its references to check.
REFERENCES: list[tuple[type[Model], str, list[str]]] = [
    (AgentBlock, "agent", ["block"]),
    (Block, "", ["conversation"]),
    (BlockRevision, "block", ["conversation", "run"]),
    (Conversation, "", ["agent", "forked_from", "forked_at_message"]),
    (ConversationMessage, "conversation", ["message"]),
    (IsolatedBlock, "conversation", ["block", "source_block"]),
    (Message, "", ["agent", "run", "step"]),
    (ReadingPeriod, "block", ["agent", "conversation"]),
    (Run, "", ["agent", "conversation"]),
    (Step, "", ["run"]),
]

# Members. A superuser's, and one without an organization, may act in every organization.
MEMBERS: list[tuple[type[Model], str, list[str]]] = [
    (ApiKey, "", ["member"]),
    (BlockRevision, "block", ["written_by"]),
    *(
        (model, "", ["created_by", "last_updated_by"])
        for model in (Agent, ApiKey, Block, Conversation, Message, Run, Step)
    ),
]


def mixed_organizations(organization: Organization | None) -> Iterator[BrokenRow]:
    """Yield rows that refer to a row or a member of another organization."""
    for model, owner, targets in REFERENCES:
        for target in targets:
            yield from _mixed(model, owner, target, organization)
    for model, owner, targets in MEMBERS:
        for target in targets:
            yield from _mixed(model, owner, target, organization, except_superusers=True)


def _mixed(
    model: type[Model],
    owner: str,
    target: str,
    organization: Organization | None,
    *,
    except_superusers: bool = False,
) -> Iterator[BrokenRow]:
    own = f"{owner}__organization" if owner else "organization"
    other = f"{target}__organization"
    rows = model._default_manager.exclude(**{target: None}).exclude(**{own: F(other)})
    if except_superusers:
        rows = rows.exclude(Q(**{f"{target}__user__is_superuser": True}) | Q(**{other: None}))
    if organization:
        rows = rows.filter(Q(**{own: organization}) | Q(**{other: organization}))
    row = owner or "pk"
    named = rows.order_by(row).values_list(row, target, own, other)
    for pk, referred, ours, theirs in named.iterator():
        yield BrokenRow(
            pk, f"belongs to {ours}, but its {target} {referred} to {theirs or 'no organization'}"
        )


ORGANIZATION_RULES = {"organizations_never_mix": mixed_organizations}
