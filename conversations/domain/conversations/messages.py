"""Append messages to a conversation."""

from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from ...models import Conversation, ConversationMessage, Message
from ..actor import Actor
from ..errors import UnknownId


# Without a savepoint: if it fails, the caller's transaction fails.
@transaction.atomic(savepoint=False)
def append_messages(
    conversation: Conversation, messages: list[Message], *, by: Actor
) -> list[Message]:
    """Insert unsaved messages at the next positions, in context.

    The conversation's lock keeps positions unique and without gaps. Raises UnknownId if the
    conversation is deleted.
    """
    rows = Conversation.objects.select_for_update(no_key=True, of=("self",)).live()
    locked = rows.select_related("agent").get_or_none(pk=conversation.pk)
    if locked is None:
        raise UnknownId(Conversation, conversation.pk)
    last = ConversationMessage.objects.filter(conversation=locked).aggregate(n=Max("position"))["n"]
    first = 0 if last is None else last + 1
    insert_messages(locked, messages, by=by)
    ConversationMessage.objects.bulk_create(
        ConversationMessage(conversation=locked, message=message, position=position)
        for position, message in enumerate(messages, start=first)
    )
    if any(message.role == Message.Role.USER for message in messages):
        Conversation.objects.filter(pk=locked.pk).update(last_message_at=timezone.now())
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
