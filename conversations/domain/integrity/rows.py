"""Rules about blocks, conversations, messages and runs, each checked by one query."""

from collections.abc import Iterator
from dataclasses import dataclass
from string import Formatter

from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Subquery

from ...models import (
    Agent,
    AgentBlock,
    Block,
    BlockRevision,
    Conversation,
    ConversationMessage,
    IsolatedBlock,
    Message,
    Organization,
    ReadingPeriod,
    Run,
)


@dataclass(frozen=True)
class RowRule:
    """A rule that every row of `broken` breaks."""

    broken: QuerySet
    wrong: str  # A sentence with the row's fields in braces.
    row: str = "pk"  # The field that holds the id to name.
    organization: str = "organization"

    def __call__(self, organization: Organization | None) -> Iterator[tuple[str, str]]:
        broken = self.broken
        if organization:
            broken = broken.filter(**{self.organization: organization})
        told = {name for _, name, _, _ in Formatter().parse(self.wrong) if name}
        for row in broken.order_by(self.row).values(self.row, *told).iterator():
            yield row[self.row], self.wrong.format(**row)


def _same(field: str, other: str) -> Q:
    return Q(**{field: F(other)}) | Q(**{field: None, other: None})


def _same_reading(owner: str) -> Q:
    return Q(**{name: OuterRef(name) for name in (owner, "block", "label")})


def _open_periods(owner: str) -> QuerySet[ReadingPeriod]:
    return ReadingPeriod.objects.open().filter(_same_reading(owner))


_newest = BlockRevision.objects.filter(block=OuterRef("pk")).order_by("-number")
_numbered = BlockRevision.objects.values("block").annotate(count=Count("pk"), newest=Max("number"))
_placed = ConversationMessage.objects.values("conversation").annotate(
    count=Count("pk"), last=Max("position")
)
_system_messages = ConversationMessage.objects.filter(
    conversation=OuterRef("pk"), position=0, message__role=Message.Role.SYSTEM
)
_defaults = Conversation.objects.filter(agent=OuterRef("pk"), is_default=True)
_holders = ConversationMessage.objects.filter(message=OuterRef("pk"))

ROW_RULES = {
    "version_is_the_newest_revisions_number": RowRule(
        Block.objects.annotate(newest=Subquery(_newest.values("number")[:1])).filter(
            Q(newest=None) | ~Q(version=F("newest"))
        ),
        "is at version {version}; its newest revision is {newest}",
    ),
    "revision_numbers_have_no_gaps": RowRule(
        # Numbers are unique and positive: without a gap there are as many as the newest says.
        _numbered.exclude(count=F("newest")),
        "has {count} revisions; the newest is number {newest}",
        row="block",
        organization="block__organization",
    ),
    **{
        f"{field}_is_the_newest_revisions": RowRule(
            BlockRevision.objects.filter(number=F("block__version")).exclude(
                _same(field, f"block__{field}")
            ),
            f"has another {field} than its newest revision {{number}}",
            row="block",
            organization="block__organization",
        )
        for field in ("value", "description", "limit")
    },
    "isolated_block_belongs_to_its_conversation": RowRule(
        IsolatedBlock.objects.exclude(_same("block__conversation", "conversation")),
        "isolates {label!r} with block {block}, which belongs to {block__conversation}",
        row="conversation",
        organization="conversation__organization",
    ),
    "isolated_block_has_its_label": RowRule(
        IsolatedBlock.objects.exclude(label=F("block__label")),
        "isolates {label!r} with block {block}, whose label is {block__label!r}",
        row="conversation",
        organization="conversation__organization",
    ),
    "isolated_block_is_not_deleted": RowRule(
        IsolatedBlock.objects.exclude(block__deleted_at=None),
        "isolates {label!r} with block {block}, which is deleted",
        row="conversation",
        organization="conversation__organization",
    ),
    "attached_block_belongs_to_no_conversation": RowRule(
        AgentBlock.objects.exclude(block__conversation=None),
        "reads block {block}, which belongs to {block__conversation}",
        row="agent",
        organization="agent__organization",
    ),
    "attached_block_has_its_label": RowRule(
        AgentBlock.objects.exclude(label=F("block__label")),
        "reads block {block} as {label!r}; its label is {block__label!r}",
        row="agent",
        organization="agent__organization",
    ),
    "attached_block_is_not_deleted": RowRule(
        AgentBlock.objects.exclude(block__deleted_at=None),
        "reads block {block}, which is deleted",
        row="agent",
        organization="agent__organization",
    ),
    **{
        f"{owner}_records_what_it_reads": RowRule(
            links.filter(~Exists(_open_periods(owner))),
            "reads block {block} as {label!r}, which no open period records",
            row=owner,
            organization=f"{owner}__organization",
        )
        for owner, links in (
            ("agent", AgentBlock.objects.all()),
            ("conversation", IsolatedBlock.objects.all()),
        )
    },
    "open_period_is_of_what_is_read": RowRule(
        ReadingPeriod.objects.open().filter(
            ~Exists(AgentBlock.objects.filter(_same_reading("agent"))),
            ~Exists(IsolatedBlock.objects.filter(_same_reading("conversation"))),
        ),
        "is read as {label!r} since {since:%Y-%m-%d %H:%M %Z}, says a period; nothing reads it",
        row="block",
        organization="block__organization",
    ),
    "agent_has_a_default_conversation": RowRule(
        Agent.objects.filter(~Exists(_defaults)), "has no default conversation"
    ),
    "default_conversation_is_not_deleted": RowRule(
        Conversation.objects.filter(is_default=True).exclude(deleted_at=None),
        "is the default conversation of {agent} and is deleted",
    ),
    "positions_have_no_gaps": RowRule(
        # Positions are unique and begin at 0.
        _placed.exclude(count=F("last") + 1),
        "holds {count} messages; the last is at position {last}",
        row="conversation",
        organization="conversation__organization",
    ),
    "position_0_is_the_system_message": RowRule(
        Conversation.objects.filter(~Exists(_system_messages)),
        "has no system message at position 0",
    ),
    "message_is_of_its_conversations_agent": RowRule(
        ConversationMessage.objects.exclude(message__agent=F("conversation__agent")),
        "is a message of {message__agent}, but {conversation} holds it",
        row="message",
        organization="conversation__organization",
    ),
    "message_is_held_by_a_conversation": RowRule(
        Message.objects.filter(~Exists(_holders)), "is in no conversation; purge removes it"
    ),
    "run_is_of_its_conversations_agent": RowRule(
        Run.objects.exclude(agent=F("conversation__agent")),
        "is a run of {agent}, but its conversation {conversation} is not",
    ),
    "active_run_has_a_live_worker": RowRule(
        Run.objects.silent(),
        "is {status}, but its worker was last heard of at {heartbeat_at:%Y-%m-%d %H:%M %Z}",
    ),
}
