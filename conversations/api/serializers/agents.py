from rest_framework import serializers

from ..http.pagination import PageQuery
from ..shapes.agents import RELATIONS
from .blocks import CreateBlockBody
from .conversations import ModelSettings
from .fields import Choice, Flag, Id, JsonObject, Label, Listed, Repeated, Text, WholeNumber


class LlmConfig(serializers.Serializer):
    """V1's older way to name a model; what else it says is ignored."""

    handle = Text(required=False, allow_null=True, max_length=200)
    model = Text(required=False, allow_null=True, max_length=100)
    provider_name = Text(required=False, allow_null=True, max_length=50)
    model_endpoint_type = Text(required=False, allow_null=True, max_length=50)
    context_window = WholeNumber(required=False, allow_null=True, min_value=1)

    def validate(self, config):
        if not (config.get("handle") or config.get("model")):
            raise serializers.ValidationError("expected a `handle` or a `model`")
        return config


class InitialMessage(serializers.Serializer):
    role = Choice(["user", "assistant", "system"])
    content = Text()


class AgentBody(serializers.Serializer):
    """What may be said of an agent. Null means "not said", but for `description`."""

    name = Text(required=False, allow_null=True, allow_blank=False, max_length=200)
    description = Text(required=False, allow_null=True)
    system = Text(required=False, allow_null=True)
    model = Text(required=False, allow_null=True, max_length=200)
    model_settings = ModelSettings(required=False, allow_null=True)
    llm_config = LlmConfig(required=False, allow_null=True)
    embedding = Text(required=False, allow_null=True, max_length=200)
    context_window_limit = WholeNumber(required=False, allow_null=True, min_value=1)
    timezone = Text(required=False, allow_null=True, max_length=64)
    block_ids = Listed(child=Text(), required=False, allow_null=True)
    tool_ids = Listed(child=Text(), required=False, allow_null=True)
    tool_rules = Listed(
        child=JsonObject(),
        required=False,
        allow_null=True,
        help_text='Kept are those of type "requires_approval" with a `tool_name`.',
    )
    tags = Listed(child=Text(), required=False, allow_null=True)
    metadata = JsonObject(required=False, allow_null=True)
    hidden = Flag(required=False, allow_null=True)
    isolated_labels = Listed(
        child=Label(),
        required=False,
        allow_null=True,
        help_text="Labels to isolate in every new conversation.",
    )

    def validate(self, fields):
        fields = {
            name: value
            for name, value in fields.items()
            if value is not None or name == "description"
        }
        if "tool_rules" in fields:
            rules = fields.pop("tool_rules")
            names = [r.get("tool_name") for r in rules if r.get("type") == "requires_approval"]
            fields["approval_tools"] = [name for name in names if isinstance(name, str)]
        config = fields.pop("llm_config", None)
        if config and "model" not in fields:
            provider = config.get("provider_name") or config.get("model_endpoint_type") or "openai"
            fields["model"] = config.get("handle") or f"{provider}/{config['model']}"
            if (window := config.get("context_window")) is not None:
                fields.setdefault("context_window_limit", window)
        return fields


class CreateAgentBody(AgentBody):
    """The body of POST /v1/agents/."""

    agent_type = Text(required=False, allow_null=True, allow_blank=False, max_length=50)
    memory_blocks = Listed(child=CreateBlockBody(), required=False, allow_null=True)
    tools = Listed(child=Text(allow_blank=False, max_length=200), required=False, allow_null=True)
    include_base_tools = Flag(default=True)
    initial_message_sequence = Listed(child=InitialMessage(), required=False, allow_null=True)


class UpdateAgentBody(AgentBody):
    """The body of PATCH /v1/agents/{id}; `block_ids` and `tags` replace the whole list."""


class ResetMessagesBody(serializers.Serializer):
    """The body of PATCH /v1/agents/{id}/reset-messages."""

    add_default_initial_messages = Flag(
        default=False, help_text="Agents begin with their system message only, which stays."
    )


class ApprovalQuery(serializers.Serializer):
    requires_approval = Flag(required=False)


class ApprovalBody(ApprovalQuery):
    """The body of PATCH /v1/agents/{id}/tools/approval/{tool_name}."""


class IncludeQuery(serializers.Serializer):
    include = Repeated(child=Choice(RELATIONS), required=False, help_text="Relations to fill.")


class AgentFilters(serializers.Serializer):
    """What the list and the count of agents filter by."""

    name = Text(required=False)
    query_text = Text(required=False, help_text="Part of the name, in any case.")
    tags = Repeated(child=Text(), default=list)
    match_all_tags = Flag(default=False)
    created_by_id = Id("user", required=False)
    project_id = Text(required=False, help_text="Projects are not kept: matches no agent.")
    template_id = Text(required=False, help_text="Templates are not kept: matches no agent.")
    base_template_id = Text(required=False, help_text="As `template_id`.")
    identity_id = Text(required=False, help_text="Identities are not kept: matches no agent.")
    identifier_keys = Repeated(child=Text(), default=list, help_text="As `identity_id`.")
    last_stop_reason = Text(required=False)
    show_hidden_agents = Flag(default=False)


class ListAgentsQuery(AgentFilters, IncludeQuery, PageQuery):
    """The query of GET /v1/agents/."""

    order_by = Choice(["created_at", "updated_at", "last_run_completion"], default="created_at")
    sort_by = Choice(
        ["created_at", "updated_at", "last_run_completion"],
        required=False,
        help_text="The older name of `order_by`.",
    )
    ascending = Flag(required=False, help_text="The older name of `order`.")


class BlockAgentsQuery(IncludeQuery, PageQuery):
    """The query of the agents a block is attached to."""
