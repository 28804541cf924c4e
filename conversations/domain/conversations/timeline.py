"""A conversation as it happened: its messages in order, and between them what changed in memory."""

from datetime import datetime
from typing import NamedTuple

from ...models import BlockRevision, Conversation, ConversationMessage, Message

PAGE_SIZE = 20  # messages of a stretch
MAX_CHANGES = 100  # between them; a block's history has them all


class Entry(NamedTuple):
    """A message, after the changes of memory since the message before it.

    `context_begins` where the model is shown this message and not the one before it.
    """

    link: ConversationMessage
    changes: list[BlockRevision]
    context_begins: bool


class TimelinePage(NamedTuple):
    """Some messages, oldest first; after the newest one the changes that came later."""

    entries: list[Entry]
    changes: list[BlockRevision]
    older_than: int | None  # The position to ask for what came before; None at the beginning.


def timeline_page(
    conversation: Conversation, *, before: int | None = None, size: int = PAGE_SIZE
) -> TimelinePage:
    """The newest messages of a conversation, or the newest before a position. Two queries."""
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
        earlier = [change for change in changes if _stands_before(link.message, change)]
        changes = [change for change in changes if change not in earlier]
        begins = bool(previous and link.in_context and not previous.in_context)
        entries.append(Entry(link, earlier, begins))
        previous = link
    return TimelinePage(entries, changes, newest[0].position if older else None)


def _stands_before(message: Message, change: BlockRevision) -> bool:
    # A step is stored when it is over, its messages after what its tools did: that is shown
    # between the call and its result.
    waits = change.run_id == message.run_id is not None and message.role != Message.Role.TOOL
    return change.written_at <= message.created_at and not waits


def _changes(
    conversation: Conversation, since: datetime | None, until: datetime | None
) -> list[BlockRevision]:
    """Edits made from within the conversation or of its own blocks, oldest first."""
    revisions = BlockRevision.objects.filter(conversation=conversation)
    if since:
        revisions = revisions.filter(written_at__gt=since)
    if until:
        revisions = revisions.filter(written_at__lte=until)
    newest = revisions.with_older_value().select_related("block", "written_by")
    return list(newest.order_by("-written_at", "-pk")[:MAX_CHANGES])[::-1]
