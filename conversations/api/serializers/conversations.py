from django.utils import timezone
from rest_framework import serializers

from ...domain.memory.forks import ForkChoice
from ...models import Drift
from ..http.pagination import PageQuery
from .fields import (
    Choice,
    Flag,
    Id,
    JsonObject,
    Label,
    Listed,
    Repeated,
    Text,
    Timestamp,
    WholeNumber,
)

PROVIDER_TYPES = [
    "anthropic", "azure", "baseten", "bedrock", "chatgpt_oauth", "deepseek", "fireworks",
    "google_ai", "google_vertex", "groq", "minimax", "moonshot", "moonshot_coding", "openai",
    "openrouter", "sglang", "together", "xai", "zai", "zai_coding",
]  # fmt: skip


class ModelSettings(JsonObject):
    """Settings for a model, kept as they are sent; `provider_type` says how to read them."""

    def to_internal_value(self, data):
        settings = super().to_internal_value(data)
        kind = settings.get("provider_type", "openai")
        if kind not in PROVIDER_TYPES:
            raise serializers.ValidationError(
                f"provider_type: expected one of {', '.join(PROVIDER_TYPES)}, got {kind!r}"
            )
        return settings


class ConversationBody(serializers.Serializer):
    """What may be said of a conversation. In an update, null clears a field that can be null."""

    summary = Text(required=False, allow_null=True)
    description = Text(required=False, allow_null=True)
    model = Text(required=False, allow_null=True, max_length=200)
    model_settings = ModelSettings(required=False, allow_null=True)
    context_window_limit = WholeNumber(required=False, allow_null=True, min_value=1)
    hidden = Flag(required=False, allow_null=True)

    def validate(self, fields):
        if fields.get("hidden") is None:
            fields.pop("hidden", None)
        return fields


class CreateConversationBody(ConversationBody):
    """The body of POST /v1/conversations/, which may be left out."""

    isolated_block_labels = Listed(child=Label(), required=False, allow_null=True)


class UpdateConversationBody(ConversationBody):
    """The body of PATCH /v1/conversations/{id}."""

    last_message_at = Timestamp(required=False, allow_null=True)
    archived = Flag(required=False, allow_null=True)

    def validate(self, fields):
        fields = super().validate(fields)
        archived = fields.pop("archived", None)
        if archived is not None:
            fields["archived_at"] = timezone.now() if archived else None
        return fields


class CreateConversationQuery(serializers.Serializer):
    agent_id = Text(help_text="The agent to talk with.")


class ListConversationsQuery(PageQuery):
    """The query of GET /v1/conversations/."""

    agent_id = Id("agent", required=False)
    order_by = Choice(
        ["created_at", "last_run_completion", "last_message_at"], default="created_at"
    )
    archive_status = Choice(["unarchived", "archived", "all"], default="unarchived")
    summary_search = Text(required=False, help_text="Part of the summary, in any case.")
    show_hidden = Flag(default=False)
    isolated_label = Label(required=False, help_text="Those that isolated this label.")
    drift = Repeated(
        child=Choice(Drift.values),
        default=list,
        help_text="Those with an isolated block, of `isolated_label` if named, of such drift.",
    )


class OfAgentQuery(serializers.Serializer):
    """Names the agent when the conversation is `default`."""

    agent_id = Id("agent", required=False)


class ForkQuery(OfAgentQuery):
    message_id = Id("message", required=False, help_text="The last message the fork shares.")
    hidden = Flag(default=False)


class ForkBody(serializers.Serializer):
    """What a fork does with isolated labels: one that is not named is copied."""

    isolated_blocks = serializers.DictField(
        child=Choice(list(ForkChoice)),
        required=False,
        help_text="Of a label: `copy` the isolated block, `share` the agent's, or `reset` to it.",
    )
    message_id = Id("message", required=False, help_text="The last message the fork shares.")
    hidden = Flag(required=False)


class RecompileQuery(OfAgentQuery):
    dry_run = Flag(default=False, help_text="Answer the prompt and store nothing.")


class OfAgentBody(serializers.Serializer):
    """Names the agent when the conversation is `default`."""

    agent_id = Id("agent", required=False, allow_null=True)
