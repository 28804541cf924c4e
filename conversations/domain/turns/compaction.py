"""Compaction: a summary replaces old messages in the context. No message is deleted."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from django.db import transaction

from ...ids import new_id
from ...llm.requests import ModelRequest
from ...llm.tokens import shorten
from ...models import ConversationMessage, Message
from ..conversations.messages import append_messages
from ..errors import NothingToCompact
from ..runs.events import Event, NumberedEvent, SummaryEvent, insert_events
from ..runs.finish import Outcome, finish_run
from ..runs.leases import lock_run
from .context_window import message_tokens
from .model_request import chat_messages
from .reply import ModelReply
from .steps import Turn

Role = Message.Role

Mode = Literal["all", "sliding_window"]

# Shares of the context window. A turn compacts a conversation beyond the first and keeps the newest
# messages that fit into the second.
COMPACTION_THRESHOLD = 0.9
KEPT_SHARE = 0.4
# The middle of longer transcripts is left out of the request for a summary.
MAX_TRANSCRIPT_SHARE = 0.7

INSTRUCTION = """\
Summarize the conversation below for the assistant who will go on with it and can no longer read \
it. Keep what matters later: who said what about themselves, decisions, open questions, promises, \
names, numbers. Write in the past tense, without preamble, in at most 300 words."""


@dataclass(frozen=True)
class CompactionPlan:
    """The ids of the messages that a summary replaces, and the request for the summary.

    `before` and `after` count the messages in context.
    """

    replaced: list[str]
    request: ModelRequest
    before: int
    after: int
    message_id: str = field(default_factory=lambda: new_id("message"))


def plan_compaction(turn: Turn, *, mode: Mode = "sliding_window") -> CompactionPlan:
    """Choose the messages to replace: all, or all but the newest (`sliding_window`).

    Calls that await the client and messages without a reply stay. Raises NothingToCompact if
    compaction would not reduce the number of messages.
    """
    links = list(turn.conversation.message_links.in_context().select_related("message"))
    messages = [link.message for link in links[1:]]
    cut = (
        len(messages)
        if mode == "all"
        else _cut(messages, round(turn.context_window_limit * KEPT_SHARE))
    )
    last = len(messages)
    while last and turn.step == 0 and messages[last - 1].run_id == turn.run.pk:
        last -= 1  # The model has not replied to it.
    if last and messages[last - 1].role == Role.APPROVAL:
        last -= 1
    cut = min(cut, last)
    replaced = messages[:cut]
    # Replacing one message by a summary shortens nothing.
    if len(replaced) < 2:
        raise NothingToCompact(len(messages), len(replaced))
    settings = turn.request.compaction or {}
    conversation = turn.conversation
    handle = settings.get("model") or turn.request.model or conversation.model
    request = ModelRequest(
        handle=handle or conversation.agent.model,
        fallback=conversation.agent.fallback_model,
        messages=[
            {"role": "system", "content": settings.get("prompt") or INSTRUCTION},
            {
                "role": "user",
                "content": _transcript(
                    replaced, round(turn.context_window_limit * MAX_TRANSCRIPT_SHARE)
                ),
            },
        ],
    )
    return CompactionPlan(
        [message.pk for message in replaced],
        request,
        before=len(links),
        after=len(links) - len(replaced) + 1,
    )


def _cut(messages: Sequence[Message], budget: int) -> int:
    """Return how many of the oldest messages to replace so that the rest fits the budget.

    The rest starts with a message of the user if possible, never with a tool's result.
    """
    kept, first = 0, len(messages)
    while first > 0 and kept + message_tokens(messages[first - 1]) <= budget:
        first -= 1
        kept += message_tokens(messages[first])
    # Replace something even if, by the estimate, everything fits.
    first = max(first, min(2, len(messages)))
    for roles in ((Role.USER,), (Role.USER, Role.ASSISTANT, Role.SYSTEM)):
        for index in range(first, len(messages)):
            if messages[index].role in roles:
                return index
    return len(messages)


def _transcript(messages: Sequence[Message], budget: int) -> str:
    lines = []
    for shown in chat_messages(messages):
        text = shown.get("content") or ""
        calls = [
            f"(calls {call['function']['name']} {call['function']['arguments']})"
            for call in shown.get("tool_calls", [])
        ]
        content = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
        lines.append(f"{shown['role']}: {' '.join([content, *calls]).strip()}")
    text = shorten("\n".join(lines), budget, "\n[…]\n")
    return f"<transcript>\n{text}\n</transcript>"


@transaction.atomic
def store_compaction(
    turn: Turn, plan: CompactionPlan, summary: ModelReply, *, outcome: Outcome | None
) -> list[NumberedEvent]:
    """Store the summary, take the messages it replaces out of context; return the events.

    `outcome` finishes the run with it.

    Messages added since the plan was made stay. Positions do not change: the summary is the newest
    message, and the model is shown it before those that are kept. Raises RunLost.
    """
    run = lock_run(turn.run, turn.worker)
    message = Message(
        id=plan.message_id,
        role=Role.SUMMARY,
        content=[{"type": "text", "text": summary.text}],
        model=summary.model or plan.request.handle,
    )
    append_messages(turn.conversation, [message], by=turn.by)
    ConversationMessage.objects.filter(
        conversation=turn.conversation, message__in=plan.replaced
    ).update(in_context=False)
    events: list[Event] = [
        SummaryEvent(message=message.pk, text=summary.text, before=plan.before, after=plan.after)
    ]
    if outcome:
        events += finish_run(run, outcome)
    stored = turn.events.number(events)
    insert_events(stored)
    return stored
