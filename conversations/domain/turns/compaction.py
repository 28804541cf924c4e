"""Taking old messages out of the context, with a summary in their place. Nothing is deleted."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from ...ids import new_id
from ...llm.requests import ModelRequest
from ...llm.tokens import shorten
from ...models import ConversationMessage, Message
from ..conversations.messages import append_messages
from ..errors import InvalidArgument
from ..memory.prompt import message_tokens
from ..runs.events import Event, insert_events
from ..runs.leases import lock_run
from .model_request import chat_messages
from .reply import now_text
from .steps import Turn

Role = Message.Role

# The part of the window beyond which a conversation is compacted, and the part that is kept then.
FULL = 0.9
KEPT = 0.4
# What is summed up may be longer than any window: of that much the middle is left out.
SHOWN = 0.7

INSTRUCTION = """\
Summarize the conversation below for the assistant who will go on with it and can no longer read \
it. Keep what matters later: who said what about themselves, decisions, open questions, promises, \
names, numbers. Write in the past tense, without preamble, in at most 300 words."""


@dataclass(frozen=True)
class CompactionPlan:
    """What a summary is to stand for, and the request that asks for it."""

    replaced: list[str]
    request: ModelRequest
    before: int
    after: int


def plan_compaction(turn: Turn, *, mode: str = "sliding_window") -> CompactionPlan:
    """Which messages go. `all` lets all go, `sliding_window` keeps the latest.

    Raises InvalidArgument when fewer messages would not be the result.
    """
    links = list(turn.conversation.message_links.in_context().select_related("message"))
    messages = [link.message for link in links[1:]]
    cut = len(messages) if mode == "all" else _cut(messages, round(turn.limit * KEPT))
    if messages and messages[-1].role == Role.APPROVAL:
        cut = min(cut, len(messages) - 1)  # Its calls wait for the client's answer.
    replaced = messages[:cut]
    # A summary in the place of one message, or of an earlier summary alone, makes nothing shorter.
    if len(replaced) < 2:
        raise InvalidArgument(
            "Summarization failed to reduce the number of messages. "
            f"{len(messages)} messages are in context, of which {len(replaced)} would go"
        )
    settings = turn.request.compaction or {}
    conversation = turn.conversation
    handle = settings.get("model") or turn.request.model or conversation.model
    request = ModelRequest(
        handle=handle or conversation.agent.model,
        messages=[
            {"role": "system", "content": settings.get("prompt") or INSTRUCTION},
            {"role": "user", "content": _transcript(replaced, round(turn.limit * SHOWN))},
        ],
    )
    return CompactionPlan(
        [message.pk for message in replaced],
        request,
        before=len(links),
        after=len(links) - len(replaced) + 1,
    )


def _cut(messages: Sequence[Message], budget: int) -> int:
    """How many of the oldest messages go so that the rest fits.

    What is kept begins with a message of the user, or at least not with a tool's result.
    """
    kept, first = 0, len(messages)
    while first > 0 and kept + message_tokens(messages[first - 1]) <= budget:
        first -= 1
        kept += message_tokens(messages[first])
    # Something must go, also when the estimate says that all would fit.
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
        said = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
        lines.append(f"{shown['role']}: {' '.join([said, *calls]).strip()}")
    text = shorten("\n".join(lines), budget, "\n[…]\n")
    return f"<transcript>\n{text}\n</transcript>"


@transaction.atomic
def store_compaction(turn: Turn, plan: CompactionPlan, summary: str) -> Event:
    """Store the summary and take what it stands for out of context; the event that tells of it.

    Messages that came meanwhile stay. Positions do not change: the summary is the newest message,
    and is shown before those that are kept.
    """
    run = lock_run(turn.run, turn.worker)
    message = Message(
        id=new_id("message"),
        role=Role.SUMMARY,
        content=[{"type": "text", "text": summary}],
        model=plan.request.handle,
    )
    append_messages(turn.conversation, [message], by=turn.by)
    ConversationMessage.objects.filter(
        conversation=turn.conversation, message__in=plan.replaced
    ).update(in_context=False)
    event = turn.next_event(
        {
            "type": "summary",
            "message": message.pk,
            "text": summary,
            "before": plan.before,
            "after": plan.after,
            "at": now_text(),
        }
    )
    insert_events([(run.pk, event)])
    return event
