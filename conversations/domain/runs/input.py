"""Storing what a turn is asked, and the answers that tool calls await from the client."""

from dataclasses import replace
from typing import Any

from django.db.models import Subquery

from ...models import Conversation, ConversationMessage, Message, Run
from ..actor import Actor
from ..conversations.messages import insert_messages_after, lock_for_messages
from ..errors import Conflict, InvalidArgument
from .request import TurnRequest


class AwaitsClient(Conflict):
    """The newest tool calls await the client: their results or the approval of them."""

    def __init__(self, message_id: str, tool_call_ids: list[str]):
        self.message_id = message_id
        self.tool_call_ids = tool_call_ids
        super().__init__(f"Tool calls wait for results or approval: {', '.join(tool_call_ids)}")


class NothingAwaited(InvalidArgument):
    """The request answers tool calls, and none awaits the client."""


class WrongAnswers(InvalidArgument):
    """The request does not answer exactly the tool calls that await the client."""

    def __init__(self, expected: list[str], answered: list[str]):
        self.expected, self.answered = expected, answered
        super().__init__(
            f"tool_call_id: expected one answer for each call that awaits the client "
            f"({', '.join(expected)}), got {', '.join(answered)}"
        )


def store_input(run: Run, request: TurnRequest, *, by: Actor, takes_over: bool = True) -> None:
    """Append the messages sent to the conversation. Raises AwaitsClient and UnknownId.

    With `takes_over`, the messages of a failed attempt at the end of the conversation become those
    of this run.
    """
    messages = request.messages()
    lock_for_messages(run.conversation, messages)
    newest = _newest_link(run.conversation)
    if takes_over and newest and _is_failed_attempt(newest.message, run):
        Message.objects.filter(run=newest.message.run).update(run=run)
        return
    check_answers(_awaiting_message(newest), request)
    last = newest.last_position if newest else -1
    insert_messages_after(last, run.conversation, messages, by=by._replace(run=run))


def _is_failed_attempt(message: Message, run: Run) -> bool:
    """Return whether a message is input of a run that asked the same and produced nothing."""
    earlier = message.run
    return (
        earlier is not None
        and message.step_id is None
        and earlier.status in (Run.Status.FAILED, Run.Status.CANCELLED)
        and earlier.conversation_id == run.conversation_id  # A fork shares messages.
        and earlier.request_digest == run.request_digest
    )


def calls_awaiting_client(conversation: Conversation) -> list[dict[str, Any]]:
    """Return the stored tool calls that await the client's results or approval."""
    message = awaiting_message(conversation)
    return message.tool_calls if message else []


def awaiting_message(conversation: Conversation) -> Message | None:
    """Return the message whose tool calls await the client."""
    return _awaiting_message(_newest_link(conversation))


def _awaiting_message(newest: ConversationMessage | None) -> Message | None:
    is_awaiting = newest is not None and newest.message.role == Message.Role.APPROVAL
    return newest.message if newest and is_awaiting and newest.message.tool_calls else None


def _newest_link(conversation: Conversation) -> Any:
    """Return the newest message that is no summary, and the conversation's `last_position`.

    A compaction may have stored its summary after calls that await the client.
    """
    links = conversation.message_links.order_by("-position")
    newest = links.exclude(message__role=Message.Role.SUMMARY).select_related("message__run")
    return newest.annotate(last_position=Subquery(links.values("position")[:1])).first()


def with_decisions(conversation: Conversation, request: TurnRequest) -> TurnRequest:
    """Apply a decision without a call id to all calls that await the client; check the answers."""
    awaiting = awaiting_message(conversation)
    call_ids = _call_ids(awaiting)
    if call_ids and [d["tool_call_id"] for d in request.decisions] == [None]:
        decisions = [{**request.decisions[0], "tool_call_id": call_id} for call_id in call_ids]
        request = replace(request, decisions=decisions)
    check_answers(awaiting, request)
    return request


def _call_ids(awaiting: Message | None) -> list[str]:
    return [call["id"] for call in awaiting.tool_calls] if awaiting else []


def check_answers(awaiting: Message | None, request: TurnRequest) -> None:
    """Refuse a request that does not answer exactly the calls that await the client."""
    call_ids = _call_ids(awaiting)
    answers = [str(decision["tool_call_id"]) for decision in request.decisions]
    answers += [
        item["tool_call_id"]
        for message in request.input
        for item in message.get("tool_returns", [])
    ]
    if sorted(answers) == sorted(call_ids):
        return
    if awaiting is None:
        raise NothingAwaited(f"No tool call awaits the client; got answers to {', '.join(answers)}")
    if not answers:
        raise AwaitsClient(awaiting.pk, call_ids)
    raise WrongAnswers(call_ids, answers)
