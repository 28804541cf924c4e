from django.contrib import admin
from django.db.models import Q
from django.utils.html import format_html, format_html_join

from ..models import ConversationMessage, Message
from .base import ConsoleAdmin, ReadOnly
from .display import badge, link, pretty


@admin.register(Message)
class MessageAdmin(ReadOnly, ConsoleAdmin):
    """Every message of every conversation; a conversation's page shows its last ones in order."""

    ids = {"pk": "message", "agent": "agent", "run": "run", "conversations": "conv"}
    list_display = ["created_at", "role_badge", "beginning", "agent_link", "run"]
    list_display_links = ["created_at"]
    list_filter = ["role", "is_err", "created_at"]
    list_select_related = ["agent", "run"]
    search_fields = ["=otid", "=name"]
    search_help_text = "An id (message, agent, conversation, run), the client's own id or a name."
    texts = ("agent__system",)
    fields = ["id", "agent_link", "role", "text", "calls", "returns", "tool_call_id", "name"]
    fields += ["otid", "sender_id", "group_id", "model", "run", "step", "is_err"]
    fields += ["created_at", "created_by", "held_by"]
    readonly_fields = ["agent_link", "text", "calls", "returns", "held_by"]

    @admin.display(description="role", ordering="role")
    def role_badge(self, message):
        return badge(f"role-{message.role}", message.role)

    @admin.display(description="text")
    def beginning(self, message):
        text = message.text or pretty(message.tool_calls or message.tool_returns)
        return f"{text[:120]}…" if len(text) > 120 else text or "-"

    @admin.display(description="agent")
    def agent_link(self, message):
        return link(message.agent)

    @admin.display(description="text")
    def text(self, message):
        return format_html('<pre class="text">{}</pre>', message.text)

    @admin.display(description="tool calls")
    def calls(self, message):
        return format_html('<pre class="text">{}</pre>', pretty(message.tool_calls))

    @admin.display(description="tool returns")
    def returns(self, message):
        return format_html('<pre class="text">{}</pre>', pretty(message.tool_returns))

    @admin.display(description="conversations")
    def held_by(self, message):
        return format_html_join(", ", "{}", ((link(c),) for c in message.conversations.all()[:20]))


@admin.register(ConversationMessage)
class ConversationMessageAdmin(ReadOnly, ConsoleAdmin):
    """The order of a conversation's messages."""

    organization_path = "conversation__organization"
    ids = {"conversation": "conv", "message": "message"}
    list_display = ["position", "conversation_link", "role", "beginning", "in_context"]
    list_filter = ["in_context"]
    list_select_related = ["conversation", "message"]
    search_fields = ["conversation__summary"]
    states = {
        "live": Q(conversation__deleted_at=None, conversation__agent__deleted_at=None),
        "deleted": Q(conversation__deleted_at__isnull=False)
        | Q(conversation__agent__deleted_at__isnull=False),
    }
    ordering = ["-id"]
    fields = ["conversation_link", "position", "role", "beginning", "in_context"]
    readonly_fields = ["conversation_link", "role", "beginning"]

    @admin.display(description="conversation")
    def conversation_link(self, held):
        return link(held.conversation)

    @admin.display(description="role")
    def role(self, held):
        return badge(f"role-{held.message.role}", held.message.role)

    @admin.display(description="message")
    def beginning(self, held):
        text = held.message.text
        return link(held.message, f"{text[:120]}…" if len(text) > 120 else text)
