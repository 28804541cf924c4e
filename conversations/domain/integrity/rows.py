"""Rules about blocks, conversations, messages and runs, each checked by one query."""

from collections.abc import Iterator
from dataclasses import dataclass
from string import Formatter
from typing import Any, NamedTuple

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


class BrokenRow(NamedTuple):
    """The id of a row that breaks a rule, and how it does."""

    row: str
    problem: str


@dataclass(frozen=True)
class RowRule:
    """A rule that the rows of `broken` break.

    `problem` is a sentence with fields of the row in braces. `row` is the field with the id to
    report; the row of that id has the organization.
    """

    broken: QuerySet[Any]
    problem: str
    row: str = "pk"

    def __call__(self, organization: Organization | None) -> Iterator[BrokenRow]:
        broken = self.broken
        if organization:
            path = "organization" if self.row == "pk" else f"{self.row}__organization"
            broken = broken.filter(**{path: organization})
        fields = {name for _, name, _, _ in Formatter().parse(self.problem) if name}
        for row in broken.order_by(self.row).values(self.row, *fields).iterator():
            yield BrokenRow(row[self.row], self.problem.format(**row))


def _same(field: str, other: str) -> Q:
    return Q(**{field: F(other)}) | Q(**{field: None, other: None})


def _same_link(owner: str) -> Q:
    return Q(**{name: OuterRef(name) for name in (owner, "block", "label")})


_newest = BlockRevision.objects.filter(block=OuterRef("pk")).order_by("-number")
_numbered = BlockRevision.objects.values("block").annotate(count=Count("pk"), newest=Max("number"))
_positions = ConversationMessage.objects.values("conversation").annotate(
    count=Count("pk"), last=Max("position")
)
_system_messages = ConversationMessage.objects.filter(
    conversation=OuterRef("pk"), position=0, message__role=Message.Role.SYSTEM
)
_defaults = Conversation.objects.filter(agent=OuterRef("pk"), is_default=True)
_links = ConversationMessage.objects.filter(message=OuterRef("pk"))
_readings: list[tuple[str, str, QuerySet[Any]]] = [
    ("attached", "agent", AgentBlock.objects.all()),
    ("isolated", "conversation", IsolatedBlock.objects.all()),
]

ROW_RULES = {
    "version_is_newest_revision_number": RowRule(
        Block.objects.annotate(newest=Subquery(_newest.values("number")[:1])).filter(
            Q(newest=None) | ~Q(version=F("newest"))
        ),
        "has version {version}, but its newest revision is {newest}",
    ),
    "revision_numbers_have_no_gaps": RowRule(
        # Numbers are unique and positive: without gaps, the newest number is the count.
        _numbered.exclude(count=F("newest")),
        "has {count} revisions, but the newest has number {newest}",
        row="block",
    ),
    **{
        f"{field}_matches_newest_revision": RowRule(
            BlockRevision.objects.filter(number=F("block__version")).exclude(
                _same(field, f"block__{field}")
            ),
            f"has another {field} than its newest revision, {{number}}",
            row="block",
        )
        for field in ("value", "description", "limit")
    },
    "isolated_block_belongs_to_its_conversation": RowRule(
        IsolatedBlock.objects.exclude(_same("block__conversation", "conversation")),
        "isolates {label!r} with block {block}, which belongs to {block__conversation}",
        row="conversation",
    ),
    "attached_block_belongs_to_no_conversation": RowRule(
        AgentBlock.objects.exclude(block__conversation=None),
        "reads block {block}, which belongs to {block__conversation}",
        row="agent",
    ),
    **{
        f"{kind}_block_has_its_label": RowRule(
            links.exclude(label=F("block__label")),
            "reads block {block} as {label!r}; its label is {block__label!r}",
            row=owner,
        )
        for kind, owner, links in _readings
    },
    **{
        f"{kind}_block_is_not_deleted": RowRule(
            links.exclude(block__deleted_at=None),
            "reads block {block}, which is deleted",
            row=owner,
        )
        for kind, owner, links in _readings
    },
    **{
        f"{owner}_has_open_period_for_each_block": RowRule(
            links.filter(~Exists(ReadingPeriod.objects.open().filter(_same_link(owner)))),
            "reads block {block} as {label!r}, but no open period records it",
            row=owner,
        )
        for _, owner, links in _readings
    },
    "open_period_has_a_reader": RowRule(
        ReadingPeriod.objects.open().filter(
            ~Exists(AgentBlock.objects.filter(_same_link("agent"))),
            ~Exists(IsolatedBlock.objects.filter(_same_link("conversation"))),
        ),
        "has an open period as {label!r} since {since:%Y-%m-%d %H:%M %Z}, but nothing reads it",
        row="block",
    ),
    "agent_has_a_default_conversation": RowRule(
        Agent.objects.filter(~Exists(_defaults)), "has no default conversation"
    ),
    "default_conversation_is_not_deleted": RowRule(
        Conversation.objects.filter(is_default=True).exclude(deleted_at=None),
        "is deleted, but is the default conversation of {agent}",
    ),
    "positions_have_no_gaps": RowRule(
        # Positions are unique and begin at 0.
        _positions.exclude(count=F("last") + 1),
        "has {count} messages, but the last is at position {last}",
        row="conversation",
    ),
    "position_0_is_the_system_message": RowRule(
        Conversation.objects.filter(~Exists(_system_messages)),
        "has no system message at position 0",
    ),
    "message_has_its_conversations_agent": RowRule(
        ConversationMessage.objects.exclude(message__agent=F("conversation__agent")),
        "is a message of {message__agent}, but is in {conversation} of another agent",
        row="message",
    ),
    "message_is_in_a_conversation": RowRule(
        Message.objects.filter(~Exists(_links)), "is in no conversation; purge removes it"
    ),
    "run_has_its_conversations_agent": RowRule(
        Run.objects.exclude(agent=F("conversation__agent")),
        "is a run of {agent}, but its conversation {conversation} has another agent",
    ),
    "active_run_has_a_live_worker": RowRule(
        Run.objects.stalled(),
        "is {status}, but its worker was last heard of at {heartbeat_at:%Y-%m-%d %H:%M %Z}",
    ),
}
