"""A conversation's timeline: its messages in order, with the memory changes between them."""

from datetime import datetime
from typing import NamedTuple

from ...models import BlockRevision, Conversation, ConversationMessage, Message

PAGE_SIZE = 20  # messages
MAX_CHANGES = 100  # per page; a block's history has all of them


class Entry(NamedTuple):
    """A message, and the memory changes since the message before it.

    `context_begins` if this message is in context and the one before it is not.
    """

    link: ConversationMessage
    changes: list[BlockRevision]
    context_begins: bool


class TimelinePage(NamedTuple):
    """A page of messages, oldest first, and the changes after the newest of them."""

    entries: list[Entry]
    changes: list[BlockRevision]
    older_than: int | None  # `before` of the next page; None on the last page.


def timeline_page(
    conversation: Conversation, *, before: int | None = None, size: int = PAGE_SIZE
) -> TimelinePage:
    """Return the newest messages of a conversation, or those before a position. Two queries."""
    links = conversation.message_links.select_related("message", "message__run")
    if before is not None:
        links = links.filter(position__lt=before)
    newest = list(links.order_by("-position")[: size + 1])
    older = newest.pop() if len(newest) > size else None
    newest.reverse()
    since = older.message.created_at if older else None
    until = newest[-1].message.created_at if newest and before is not None else None
    changes = _changes(conversation, since, until) if newest or before is None else []
    entries = []
    previous = older
    for link in newest:
        earlier = [change for change in changes if _comes_before(link.message, change)]
        changes = [change for change in changes if change not in earlier]
        begins = bool(previous and link.in_context and not previous.in_context)
        entries.append(Entry(link, earlier, begins))
        previous = link
    return TimelinePage(entries, changes, newest[0].position if older else None)


def _comes_before(message: Message, change: BlockRevision) -> bool:
    # A step's messages are stored after the changes that its tools made. The changes are shown
    # between the tool call and its result.
    follows_call = change.run_id == message.run_id is not None and message.role != Message.Role.TOOL
    return change.written_at <= message.created_at and not follows_call


def _changes(
    conversation: Conversation, since: datetime | None, until: datetime | None
) -> list[BlockRevision]:
    """Return edits from within the conversation or of its isolated blocks, oldest first."""
    revisions = BlockRevision.objects.filter(conversation=conversation)
    if since:
        revisions = revisions.filter(written_at__gt=since)
    if until:
        revisions = revisions.filter(written_at__lte=until)
    newest = revisions.with_older_value().select_related("block", "written_by")
    return list(newest.order_by("-written_at", "-pk")[:MAX_CHANGES])[::-1]
