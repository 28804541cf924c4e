"""Append messages to a conversation."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max
from django.db.models.functions import Coalesce
from django.utils import timezone

from ...models import Agent, Conversation, ConversationMessage, Message
from ..actor import Actor
from ..errors import UnknownId


# Without a savepoint: if it fails, the caller's transaction fails.
@transaction.atomic(savepoint=False)
def append_messages(
    conversation: Conversation, messages: list[Message], *, by: Actor
) -> list[Message]:
    """Insert unsaved messages at the next positions, in context.

    Raises UnknownId if the conversation is deleted.
    """
    lock_for_messages(conversation, messages)
    links = ConversationMessage.objects.filter(conversation=conversation)
    last = links.aggregate(n=Coalesce(Max("position"), -1))["n"]
    return insert_messages_after(last, conversation, messages, by=by)


def lock_for_messages(conversation: Conversation, messages: Iterable[Message]) -> None:
    """Lock a conversation, which keeps positions unique and without gaps, to add these messages.

    Raises UnknownId if the conversation is deleted.
    """
    live_agents = Agent.objects.live().filter(pk=conversation.agent_id)
    rows = Conversation.objects.filter(Exists(live_agents), pk=conversation.pk, deleted_at=None)
    if any(message.role == Message.Role.USER for message in messages):
        is_live = bool(rows.update(last_message_at=timezone.now()))  # It locks the row, too.
    else:
        is_live = rows.select_for_update(no_key=True, of=("self",)).values("pk").first() is not None
    if not is_live:
        raise UnknownId(Conversation, conversation.pk)


def insert_messages_after(
    last: int, conversation: Conversation, messages: list[Message], *, by: Actor
) -> list[Message]:
    """Insert unsaved messages after the last position of a conversation.

    The caller holds the lock of the conversation or of its active run.
    """
    insert_messages(conversation, messages, by=by)
    ConversationMessage.objects.bulk_create(
        ConversationMessage(conversation=conversation, message=message, position=position)
        for position, message in enumerate(messages, start=last + 1)
    )
    return messages


def insert_messages(conversation: Conversation, messages: list[Message], *, by: Actor) -> None:
    """Insert unsaved messages of a conversation's agent. The caller adds them at positions."""
    for message in messages:
        message.organization_id = conversation.organization_id
        message.agent_id = conversation.agent_id
        message.run = message.run or by.run
        message.created_by = message.last_updated_by = by.member
    Message.objects.bulk_create(messages)


def text_message(role: str, text: str, **fields: Any) -> Message:
    """Return an unsaved message with one text part."""
    return Message(role=role, content=[{"type": "text", "text": text}], **fields)
