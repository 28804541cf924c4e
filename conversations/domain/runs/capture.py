"""Store what an agent was told elsewhere: a chat with a model that another program called."""

from django.db import transaction

from ...models import Conversation, Message
from ..actor import Actor
from ..conversations.messages import append_messages, lock_for_messages
from .input import awaiting_message, check_answers
from .leases import Busy
from .request import TurnRequest


@transaction.atomic
def capture_messages(
    conversation: Conversation, messages: list[Message], *, by: Actor
) -> list[Message]:
    """Append messages without a turn, in context.

    Raises Busy during a turn, and AwaitsClient while tool calls await the client.
    """
    lock_for_messages(conversation, messages)
    if active := conversation.runs.active().first():
        raise Busy(active.pk)
    check_answers(awaiting_message(conversation), TurnRequest())
    return append_messages(conversation, messages, by=by)
