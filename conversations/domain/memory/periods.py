"""Keeping record of when which block was read, and reading memory as it was."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple

from django.db.models import Q, QuerySet
from django.utils import timezone

from ...models import AgentBlock, Block, BlockRevision, Conversation, IsolatedBlock, ReadingPeriod
from ..actor import Actor
from ..errors import InvalidArgument, NotFound
from .effective import overlay_isolated


def begin_periods(
    links: Iterable[AgentBlock | IsolatedBlock], *, by: Actor, at: datetime | None = None
) -> None:
    """Record that these links, new ones, are in force from now on, or since `at`."""
    since = at or timezone.now()
    ReadingPeriod.objects.bulk_create(
        ReadingPeriod(
            agent_id=link.agent_id if isinstance(link, AgentBlock) else None,
            conversation_id=link.conversation_id if isinstance(link, IsolatedBlock) else None,
            block_id=link.block_id,
            label=link.label,
            position=link.position if isinstance(link, AgentBlock) else 0,
            since=since,
            begun_by=by.user,
        )
        for link in links
    )


def end_periods(periods: QuerySet[ReadingPeriod], *, by: Actor, at: datetime | None = None) -> None:
    """Record that what these periods say is over now, or was at `at`."""
    periods.filter(until=None).update(until=at or timezone.now(), ended_by=by.user)


class PastBlock(NamedTuple):
    """What one label said in one conversation at some time. Drift is a matter of the present."""

    label: str
    origin: Literal["shared", "isolated"]
    block: Block
    shared: Block | None
    drift: None = None

    @property
    def version(self) -> int:
        return self.block.version


def time_of(conversation: Conversation, at: str | datetime) -> datetime:
    """A time as it is; of a message's id, when it was written. The conversation must hold it."""
    if isinstance(at, datetime):
        return at
    link = conversation.message_links.filter(message=at).select_related("message").first()
    if link is None:
        raise NotFound(f"at: message '{at}' is not in conversation '{conversation.pk}'")
    return link.message.created_at


def effective_blocks_at(conversation: Conversation, moment: datetime) -> list[PastBlock]:
    """What this conversation read at `moment`, in the prompt order of then.

    The blocks are unsaved copies. A fork read, before it began, what it was forked from.
    """
    while moment < conversation.created_at:
        if conversation.forked_from is None:
            raise InvalidArgument(
                f"at: conversation '{conversation.pk}' began at "
                f"{conversation.created_at.isoformat()}, after {moment.isoformat()}"
            )
        conversation = conversation.forked_from
    periods = (
        ReadingPeriod.objects.filter(Q(agent=conversation.agent_id) | Q(conversation=conversation))
        .at(moment)
        .in_prompt_order()
        .select_related("block")
    )
    shared = [period for period in periods if period.agent_id]
    isolated = [period for period in periods if period.conversation_id]
    blocks = [period.block for period in periods]
    for revision in BlockRevision.objects.filter(block__in=blocks).as_of(moment):
        for block in blocks:
            if block.pk == revision.block_id:
                _as_then(block, revision)
    return [
        PastBlock(
            read.label,
            "isolated" if own else "shared",
            read.block,
            common.block if common else None,
        )
        for read, common, own in overlay_isolated(shared, isolated)
    ]


def _as_then(block: Block, revision: BlockRevision) -> None:
    for name, value in revision.state.items():
        setattr(block, name, value)
    block.version = revision.number
