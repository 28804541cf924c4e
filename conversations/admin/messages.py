"""The lists of messages and of their positions in conversations."""

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from ..models import ConversationMessage, Message
from .base import ConsoleAdmin, ReadOnly
from .display import badge, excerpt, format_json, json_panel, link, link_to, preformatted
from .filters import live_or_deleted, titled


@admin.register(Message)
class MessageAdmin(ReadOnly, ConsoleAdmin):
    """Messages of all conversations, newest first."""

    ids = {"pk": "message", "agent": "agent", "run": "run", "conversations": "conv"}
    list_display = ["created_at", "role_badge", "beginning", "agent_link", "run"]
    list_display_links = ["created_at"]
    list_filter = ["role", titled("is_err", "error"), "created_at"]
    list_select_related = ["agent", "run"]
    search_fields = ["=otid", "=name"]
    search_help_text = (
        "The id of a message, agent, conversation or run, a client's message id (otid) or a tool's "
        "name."
    )
    deferred = ("agent__system",)
    fields = [
        *("id", "agent_link", "role", "text", "calls", "returns", "tool_call_id", "name", "otid"),
        *("sender_id", "group_id", "model", "run", "step", "error", "created_at", "created_by"),
        "conversation_links",
    ]
    readonly_fields = ["agent_link", "text", "calls", "returns", "error", "conversation_links"]

    @admin.display(description="role", ordering="role")
    def role_badge(self, message: Message) -> SafeString:
        return badge(f"role-{message.role}", message.role)

    @admin.display(description="text")
    def beginning(self, message: Message) -> str:
        text = message.text or format_json(message.tool_calls or message.tool_returns)
        return excerpt(text) or "-"

    agent_link = link_to("agent")

    @admin.display(description="text")
    def text(self, message: Message) -> SafeString:
        return preformatted(message.text)

    calls = json_panel("tool_calls", "tool calls")
    returns = json_panel("tool_returns", "tool results")

    @admin.display(description="error", boolean=True)
    def error(self, message: Message) -> bool | None:
        return message.is_err

    @admin.display(description="conversations")
    def conversation_links(self, message: Message) -> SafeString:
        return format_html_join(", ", "{}", ((link(c),) for c in message.conversations.all()[:20]))


@admin.register(ConversationMessage)
class ConversationMessageAdmin(ReadOnly, ConsoleAdmin):
    """The positions of messages in conversations."""

    organization_path = "conversation__organization"
    ids = {"conversation": "conv", "message": "message"}
    list_display = ["position", "conversation_link", "role", "beginning", "in_context"]
    list_filter = ["in_context"]
    list_select_related = ["conversation", "message"]
    search_fields = ["conversation__summary"]
    states = live_or_deleted("conversation", "conversation__agent")
    ordering = ["-id"]
    fields = ["conversation_link", "position", "role", "beginning", "in_context"]
    readonly_fields = ["conversation_link", "role", "beginning"]

    conversation_link = link_to("conversation")

    @admin.display(description="role")
    def role(self, row: ConversationMessage) -> SafeString:
        return badge(f"role-{row.message.role}", row.message.role)

    @admin.display(description="message")
    def beginning(self, row: ConversationMessage) -> SafeString | str:
        return link(row.message, excerpt(row.message.text))
