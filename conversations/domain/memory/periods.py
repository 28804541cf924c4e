"""Record when which block was read, and read memory as it was.

Every change of an `AgentBlock` or `IsolatedBlock` row goes with a call of `begin_periods` or
`end_periods`, which also marks the default conversations that it affects.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple

from django.db.models import Q, QuerySet
from django.utils import timezone

from ...models import AgentBlock, Block, BlockRevision, Conversation, IsolatedBlock, ReadingPeriod
from ..actor import Actor
from ..errors import InvalidArgument, MessageNotInConversation
from .effective import overlay
from .writes import mark_stale


def begin_periods(
    links: Iterable[AgentBlock | IsolatedBlock], *, by: Actor, at: datetime | None = None
) -> None:
    """Record that these new links are in force from now on, or since `at`."""
    links = list(links)
    _mark_readers(
        agents={link.agent_id for link in links if isinstance(link, AgentBlock)},
        conversations={
            link.conversation_id
            for link in links
            if isinstance(link, IsolatedBlock) and link.conversation.is_default
        },
    )
    since = at or timezone.now()
    ReadingPeriod.objects.bulk_create(
        ReadingPeriod(
            agent_id=link.agent_id if isinstance(link, AgentBlock) else None,
            conversation_id=link.conversation_id if isinstance(link, IsolatedBlock) else None,
            block_id=link.block_id,
            label=link.label,
            position=link.position if isinstance(link, AgentBlock) else 0,
            since=since,
            begun_by=by.member,
        )
        for link in links
    )


def end_periods(periods: QuerySet[ReadingPeriod], *, by: Actor, at: datetime | None = None) -> None:
    """Record that the open ones of these periods end now, or ended at `at`."""
    periods = periods.filter(until=None)
    readers = list(periods.values_list("agent", "conversation", "conversation__is_default"))
    _mark_readers(
        agents={agent for agent, _, _ in readers if agent},
        conversations={conversation for _, conversation, is_default in readers if is_default},
    )
    periods.update(until=at or timezone.now(), ended_by=by.member)


def _mark_readers(*, agents: set[str], conversations: set[str]) -> None:
    if agents:
        mark_stale(agent__in=agents)
    if conversations:
        mark_stale(pk__in=conversations)


class PastBlock(NamedTuple):
    """The block that one conversation read as one label at some time; drift is known only now."""

    label: str
    origin: Literal["shared", "isolated"]
    block: Block
    shared: Block | None
    drift: None = None

    @property
    def version(self) -> int:
        """The block's version at that time."""
        return self.block.version


def time_of(conversation: Conversation, at: str | datetime) -> datetime:
    """Return a time as it is, or when the message of this id was written.

    Raises NotFound if the conversation does not contain the message.
    """
    if isinstance(at, datetime):
        return at
    link = conversation.message_links.filter(message=at).select_related("message").first()
    if link is None:
        raise MessageNotInConversation(conversation.pk, at)
    return link.message.created_at


def effective_blocks_at(conversation: Conversation, moment: datetime) -> list[PastBlock]:
    """Return what this conversation read at `moment`, in the prompt order of that time.

    The blocks are unsaved copies. Before its creation, a fork read what its original did. Raises
    InvalidArgument if the conversation did not exist yet.
    """
    while moment < conversation.created_at:
        if conversation.forked_from is None:
            raise InvalidArgument(
                f"Conversation '{conversation.pk}' began at "
                f"{conversation.created_at.isoformat()}, after {moment.isoformat()}"
            )
        conversation = conversation.forked_from
    periods = list(
        ReadingPeriod.objects.filter(Q(agent=conversation.agent_id) | Q(conversation=conversation))
        .at(moment)
        .in_prompt_order()
        .select_related("block")
    )
    blocks = [period.block for period in periods]
    for revision in BlockRevision.objects.filter(block__in=blocks).as_of(moment):
        for block in blocks:
            if block.pk == revision.block_id:
                block.version = revision.number
                for name, value in revision.state.items():
                    setattr(block, name, value)
    shared = [period for period in periods if period.agent_id]
    isolated = [period for period in periods if period.conversation_id]
    return [
        PastBlock(
            label=read.effective.label,
            origin="isolated" if read.isolated else "shared",
            block=read.effective.block,
            shared=read.shared.block if read.shared else None,
        )
        for read in overlay(shared, isolated)
    ]
