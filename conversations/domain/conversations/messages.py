"""Adding messages to a conversation."""

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from ...models import Conversation, ConversationMessage, Message
from ..actor import Actor
from ..errors import UnknownId


# No savepoint: whoever calls it in a transaction of its own undoes all of that when it fails.
@transaction.atomic(savepoint=False)
def append_messages(
    conversation: Conversation, messages: list[Message], *, by: Actor
) -> list[Message]:
    """Add unsaved messages at the next positions, in context.

    Writers of one conversation take turns, so positions are unique and have no gaps. UnknownId if
    the conversation was deleted meanwhile.
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
    """Insert unsaved messages of this conversation's agent. The caller gives them positions."""
    for message in messages:
        message.organization_id = conversation.organization_id
        message.agent_id = conversation.agent_id
        message.run = message.run or by.run
        message.created_by = message.last_updated_by = by.member
    Message.objects.bulk_create(messages)


def text_message(role: str, text: str, **fields) -> Message:
    """An unsaved message with one text part."""
    return Message(role=role, content=[{"type": "text", "text": text}], **fields)
