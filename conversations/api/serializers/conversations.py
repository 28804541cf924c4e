"""Request bodies and queries of conversations."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers

from ...domain.memory.forks import ForkChoice
from ...models import Drift
from .fields import (
    MAX_ITEMS,
    OPTIONAL,
    Id,
    Input,
    Label,
    PageQuery,
    StrictBoolean,
    StrictChoice,
    StrictDateTime,
    StrictInteger,
    StrictList,
    StrictObject,
    StrictString,
    check_length,
)

PROVIDER_TYPES = [
    "anthropic", "azure", "baseten", "bedrock", "chatgpt_oauth", "deepseek", "fireworks",
    "google_ai", "google_vertex", "groq", "minimax", "moonshot", "moonshot_coding", "openai",
    "openrouter", "sglang", "together", "xai", "zai", "zai_coding",
]  # fmt: skip


class ModelSettings(StrictObject):
    """Settings for a model, stored unchanged; `provider_type` determines their meaning."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        settings = super().to_internal_value(data)
        kind = settings.get("provider_type", "openai")
        if kind not in PROVIDER_TYPES:
            raise serializers.ValidationError(
                f"provider_type: expected one of {', '.join(PROVIDER_TYPES)}, got {kind!r}"
            )
        return settings


class ConversationBody(Input):
    """The fields of a conversation. In an update, null clears a nullable field."""

    summary = StrictString(**OPTIONAL)
    description = StrictString(**OPTIONAL)
    model = StrictString(**OPTIONAL, max_length=200)
    model_settings = ModelSettings(**OPTIONAL)
    context_window_limit = StrictInteger(**OPTIONAL, min_value=1)
    hidden = StrictBoolean(**OPTIONAL)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("hidden") is None:
            attrs.pop("hidden", None)
        return attrs


class CreateConversationBody(ConversationBody):
    """The body of POST /v1/conversations/, which is optional."""

    isolated_block_labels = StrictList(child=Label(), **OPTIONAL)


class UpdateConversationBody(ConversationBody):
    """The body of PATCH /v1/conversations/{id}."""

    last_message_at = StrictDateTime(**OPTIONAL)
    archived = StrictBoolean(**OPTIONAL)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        fields = super().validate(attrs)
        archived = fields.pop("archived", None)
        if archived is not None:
            fields["archived_at"] = timezone.now() if archived else None
        return fields


class CreateConversationQuery(Input):
    """The query of POST /v1/conversations/."""

    agent_id = StrictString(help_text="The agent of the conversation.")


class ListConversationsQuery(PageQuery):
    """The query of GET /v1/conversations/."""

    agent_id = Id("agent", required=False)
    order_by = StrictChoice(
        ["created_at", "last_run_completion", "last_message_at"], default="created_at"
    )
    archive_status = StrictChoice(["unarchived", "archived", "all"], default="unarchived")
    summary_search = StrictString(required=False, help_text="Part of the summary, ignoring case.")
    show_hidden = StrictBoolean(default=False)
    isolated_label = Label(required=False, help_text="Only conversations that isolate this label.")
    drift = StrictList(
        child=StrictChoice(Drift.values),
        default=list,
        help_text="Only conversations whose isolated block (of `isolated_label`) has this drift.",
    )


class ConversationAgentQuery(Input):
    """The agent, required if the conversation is `default`."""

    agent_id = Id("agent", required=False)


class ForkQuery(ConversationAgentQuery):
    """The query of POST /v1/conversations/{id}/fork."""

    message_id = Id("message", required=False, help_text="Last message that the fork shares.")
    hidden = StrictBoolean(default=False)


class ForkBody(Input):
    """The body of POST /v1/conversations/{id}/fork, which takes precedence over the query."""

    isolated_blocks = serializers.DictField(
        child=StrictChoice(list(ForkChoice)),
        required=False,
        help_text="Per label: `copy` the block (default), `share` the agent's, or `reset` it.",
    )
    message_id = Id("message", required=False, help_text="Last message that the fork shares.")
    hidden = StrictBoolean(required=False)

    def validate_isolated_blocks(self, value: dict[str, Any]) -> dict[str, Any]:
        check_length(value, MAX_ITEMS)
        return value


class RecompileQuery(ConversationAgentQuery):
    """The query of POST /v1/conversations/{id}/recompile."""

    dry_run = StrictBoolean(default=False, help_text="Return the prompt without storing it.")


class ConversationAgentBody(Input):
    """The agent, required if the conversation is `default`."""

    agent_id = Id("agent", **OPTIONAL)
