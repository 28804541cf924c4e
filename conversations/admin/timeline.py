"""A conversation's messages with the memory changes between them, and its context window."""

from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from ..domain.conversations.timeline import Entry, timeline_page
from ..domain.turns.context_window import context_window
from ..models import BlockRevision, Conversation, Message
from .display import diff, format_json
from .row_views import RowViews, number_in, row_view

OLDER_PAGE_SIZE = 100  # messages


class Part(NamedTuple):
    """A part of the context window; `begin` and `width` are percentages of the whole."""

    title: str
    kind: str
    tokens: int
    begin: str
    width: str


class Tool(NamedTuple):
    """A tool call of a message or the result of one, as JSON."""

    is_call: bool
    name: str
    json: str


Change = tuple[BlockRevision, SafeString]


class Shown(NamedTuple):
    """What the timeline shows of one message."""

    entry: Entry
    message: Message
    tools: list[Tool]
    changes: list[Change]


class TimelineViews(RowViews):
    """Part of ConversationAdmin. Its change page loads these pages into itself."""

    timeline_views = ("timeline", "context")

    @row_view("view", "GET")
    def timeline(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Show the messages before the position `before`, or the newest ones."""
        position = number_in(request.GET, "before")
        page = timeline_context(conversation, position, size=OLDER_PAGE_SIZE)
        return self.render_page(request, "timeline", conversation, {"title": "Messages", **page})

    @row_view("view", "GET")
    def context(self, request: HttpRequest, conversation: Conversation) -> HttpResponse:
        """Show what the next model request begins with, and the tokens of each part."""
        window = context_window(conversation)
        parts = [
            ("System prompt", "system", window.tokens_system),
            ("Memory", "memory", window.tokens_memory),
            ("Metadata", "metadata", window.tokens_metadata),
            ("Tools", "tools", window.tokens_functions),
            ("Messages", "messages", window.tokens_messages),
        ]
        context = {
            "title": "Context window",
            "window": window,
            "parts": _stacked(parts),
            "functions": format_json(window.functions) if window.functions else "",
        }
        return self.render_page(request, "context", conversation, context)


def timeline_context(
    conversation: Conversation, before: int | None = None, **size: int
) -> dict[str, Any]:
    """Return what messages.html renders."""
    page = timeline_page(conversation, before=before, **size)
    return {
        "entries": [
            Shown(entry, entry.link.message, _tools(entry.link.message), _with_diffs(entry.changes))
            for entry in page.entries
        ],
        "later_changes": _with_diffs(page.changes),
        "older_than": page.older_than,
        "position": before,
    }


def _tools(message: Message) -> list[Tool]:
    calls = [
        Tool(True, call.get("function", {}).get("name", "a tool"), format_json(call))
        for call in message.tool_calls
    ]
    returns = [
        Tool(False, message.name or "a tool", format_json(result))
        for result in message.tool_returns
    ]
    return calls + returns


def _with_diffs(changes: list[Any]) -> list[Change]:
    return [(change, diff(change.older_value or "", change.value)) for change in changes]


def _stacked(parts: list[tuple[str, str, int]]) -> list[Part]:
    whole = sum(tokens for *_, tokens in parts) or 1
    begin = 0.0
    stacked = []
    for title, kind, tokens in parts:
        width = 100 * tokens / whole
        stacked.append(Part(title, kind, tokens, f"{begin:.2f}", f"{width:.2f}"))
        begin += width
    return stacked
