"""What was said in a conversation, what changed in its memory meanwhile, and what is in context."""

from ..domain.conversations.timeline import timeline_page
from ..domain.memory.prompt import context_window
from .display import diff, pretty
from .row_views import button, number_in

OLDER = 100  # messages of a page of older ones


class TimelinePages:
    """Part of the admin of conversations. Its page loads these into itself."""

    timeline_buttons = ("timeline", "context")

    @button("view", "GET")
    def timeline(self, request, conversation):
        """Older messages: those before the position that the query names."""
        position = number_in(request.GET, "before")
        context = {"title": "Messages", **timeline_of(conversation, position, size=OLDER)}
        return self.page(request, "timeline", conversation, context)

    @button("view", "GET")
    def context(self, request, conversation):
        """What the model's next turn begins with, and what each part takes of the window."""
        window = context_window(conversation)
        parts = [
            ("System prompt", "system", window.tokens_system),
            ("Memory", "memory", window.tokens_memory),
            ("Metadata", "metadata", window.tokens_metadata),
            ("Tools", "tools", window.tokens_functions),
            ("Messages", "messages", window.tokens_messages),
        ]
        context = {
            "title": "What the model reads",
            "window": window,
            "parts": _stacked(parts),
            "functions": pretty(window.functions) if window.functions else "",
        }
        return self.page(request, "context", conversation, context)


def timeline_of(conversation, before=None, **size):
    """What timeline.html draws."""
    found = timeline_page(conversation, before=before, **size)
    return {
        "entries": [
            (entry, entry.link.message, _parts(entry.link.message), _drawn(entry.changes))
            for entry in found.entries
        ],
        "later_changes": _drawn(found.changes),
        "older_than": found.older_than,
        "position": before,
    }


def _parts(message):
    """Tool calls and returns, each with its name."""
    calls = [
        ("calls", call.get("function", {}).get("name", "a tool"), pretty(call))
        for call in message.tool_calls
    ]
    returns = [("returned", message.name or "a tool", pretty(r)) for r in message.tool_returns]
    return calls + returns


def _drawn(changes):
    return [(change, diff(change.older_value or "", change.value)) for change in changes]


def _stacked(parts):
    """Each part with where it begins and how wide it is, in hundredths of all that is read."""
    whole = sum(tokens for *_, tokens in parts) or 1
    begin = 0.0
    stacked = []
    for title, kind, tokens in parts:
        width = 100 * tokens / whole
        stacked.append((title, kind, tokens, f"{begin:.2f}", f"{width:.2f}"))
        begin += width
    return stacked
