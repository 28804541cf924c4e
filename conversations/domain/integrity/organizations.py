"""The rule about organizations: rows that refer to each other have the same one."""

from collections.abc import Iterator

from django.db.models import F, Model, Q

from ...models import (
    Agent,
    AgentArchive,
    AgentBlock,
    AgentFile,
    AgentFolder,
    AgentIdentity,
    AgentTool,
    ApiKey,
    Archive,
    Block,
    BlockIdentity,
    BlockRevision,
    Conversation,
    ConversationMessage,
    File,
    Folder,
    Identity,
    IsolatedBlock,
    McpServer,
    Member,
    Message,
    Organization,
    Passage,
    ReadingPeriod,
    Run,
    Step,
    Tool,
)
from .rows import BrokenRow

AUTHORS = ["created_by", "last_updated_by"]

# A model, the relation to the row that has its organization, and its references to check.
REFERENCES: list[tuple[type[Model], str, list[str]]] = [
    (Agent, "", AUTHORS),
    (AgentArchive, "agent", ["archive"]),
    (AgentBlock, "agent", ["block"]),
    (AgentFile, "agent", ["file"]),
    (AgentFolder, "agent", ["folder"]),
    (AgentIdentity, "agent", ["identity"]),
    (AgentTool, "agent", ["tool"]),
    (ApiKey, "", ["member", *AUTHORS]),
    (Archive, "", AUTHORS),
    (Block, "", ["conversation", *AUTHORS]),
    (BlockIdentity, "block", ["identity"]),
    (BlockRevision, "block", ["conversation", "run", "written_by"]),
    (Conversation, "", ["agent", "forked_from", "forked_at_message", *AUTHORS]),
    (ConversationMessage, "conversation", ["message"]),
    (File, "", ["folder", *AUTHORS]),
    (Folder, "", ["archive", *AUTHORS]),
    (Identity, "", AUTHORS),
    (IsolatedBlock, "conversation", ["block", "source_block"]),
    (McpServer, "", AUTHORS),
    (Message, "", ["agent", "run", "step", *AUTHORS]),
    (Passage, "", ["archive", "file", *AUTHORS]),
    (ReadingPeriod, "block", ["agent", "conversation"]),
    (Run, "", ["agent", "conversation", *AUTHORS]),
    (Step, "", ["run", *AUTHORS]),
    (Tool, "", ["mcp_server", *AUTHORS]),
]


def mixed_organizations(organization: Organization | None) -> Iterator[BrokenRow]:
    """Yield rows that refer to a row or a member of another organization."""
    for model, owner, targets in REFERENCES:
        for target in targets:
            yield from _mixed(model, owner, target, organization)


def _mixed(
    model: type[Model], owner: str, target: str, organization: Organization | None
) -> Iterator[BrokenRow]:
    own = f"{owner}__organization" if owner else "organization"
    other = f"{target}__organization"
    rows = model._default_manager.exclude(**{target: None}).exclude(**{own: F(other)})
    if model._meta.get_field(target).related_model is Member:
        # A superuser's member, and one without an organization, may act in every organization.
        rows = rows.exclude(Q(**{f"{target}__user__is_superuser": True}) | Q(**{other: None}))
    if organization:
        rows = rows.filter(Q(**{own: organization}) | Q(**{other: organization}))
    row = owner or "pk"
    named = rows.order_by(row).values_list(row, target, own, other)
    for pk, referred, ours, theirs in named.iterator():
        yield BrokenRow(
            pk, f"belongs to {ours}, but its {target} {referred} to {theirs or 'no organization'}"
        )
