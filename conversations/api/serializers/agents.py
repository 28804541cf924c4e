"""Request bodies and queries of agents."""

from typing import Any

from rest_framework import serializers

from ...models import OnBusy
from ..shapes.agents import RELATIONS
from .archives import EmbeddingConfig, embedding_handle
from .blocks import CreateBlockBody, without_nulls
from .conversations import ModelSettings
from .fields import (
    OPTIONAL,
    Id,
    Input,
    Label,
    PageQuery,
    StrictBoolean,
    StrictChoice,
    StrictFloat,
    StrictInteger,
    StrictList,
    StrictObject,
    StrictString,
)

NO_GROUPS = "there are no groups of agents and no sleeptime agents"
NO_PROJECTS = "there are no projects and templates"
IN_SETTINGS = "set it in model_settings"


class LLMConfig(Input):
    """V1's older notation for a model and its settings."""

    ignored_fields = {
        "model_endpoint": "the operator configures the providers",
        "model_wrapper": "models are called as the provider of the handle needs it",
        "display_name": "models have the names of their provider",
        "tier": "models have no tiers",
    }

    handle = StrictString(**OPTIONAL, max_length=200)
    model = StrictString(**OPTIONAL, max_length=100)
    provider_name = StrictString(**OPTIONAL, max_length=50)
    model_endpoint_type = StrictString(**OPTIONAL, max_length=50)
    context_window = StrictInteger(**OPTIONAL, min_value=1)
    provider_category = StrictString(**OPTIONAL)
    temperature = StrictFloat(**OPTIONAL)
    max_tokens = StrictInteger(**OPTIONAL, min_value=1)
    parallel_tool_calls = StrictBoolean(**OPTIONAL)
    response_format = StrictObject(**OPTIONAL)
    reasoning_effort = StrictString(**OPTIONAL)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not (attrs.get("handle") or attrs.get("model")):
            raise serializers.ValidationError("expected a `handle` or a `model`")
        return attrs


def settings_of(fields: dict[str, Any]) -> dict[str, Any]:
    """Return V1's older fields for the settings of a model as model settings."""
    settings = {
        name: fields[name]
        for name in ("temperature", "parallel_tool_calls", "response_format")
        if fields.get(name) is not None
    }
    if fields.get("max_tokens") is not None:
        settings["max_output_tokens"] = fields["max_tokens"]
    if fields.get("reasoning_effort"):
        settings["reasoning"] = {"reasoning_effort": fields["reasoning_effort"]}
    return settings


class Variables(StrictObject):
    """Environment variables of an agent's tools: names and values, which are never returned."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        variables = super().to_internal_value(data)
        for name, value in variables.items():
            if not isinstance(value, str):
                raise serializers.ValidationError({name: "expected a string"})
        return variables


class InitialMessage(Input):
    """A message that a new agent starts with."""

    role = StrictChoice(["user", "assistant", "system"])
    content = StrictString()


class AgentBody(Input):
    """The fields of an agent. Null means absent, except for those that it clears."""

    ignored_fields = {
        "enable_sleeptime": NO_GROUPS,
        "include_multi_agent_tools": NO_GROUPS,
        "message_buffer_autoclear": "the messages of a conversation stay in it",
        "compaction_settings": "name them in the request that compacts",
        "memory_variables": NO_PROJECTS,
        **dict.fromkeys(
            ("template", "from_template", "template_id", "base_template_id"), NO_PROJECTS
        ),
        **dict.fromkeys(("project", "project_id", "deployment_id", "entity_id"), NO_PROJECTS),
        **dict.fromkeys(("reasoning", "enable_reasoner", "max_reasoning_tokens"), IN_SETTINGS),
        **dict.fromkeys(("response_format", "max_tokens", "parallel_tool_calls"), IN_SETTINGS),
        "embedding_chunk_size": "the server determines the size of chunks",
        "include_base_tool_rules": "base tools have no rules here",
    }

    name = StrictString(**OPTIONAL, allow_blank=False, max_length=200)
    description = StrictString(**OPTIONAL)
    system = StrictString(**OPTIONAL)
    model = StrictString(**OPTIONAL, max_length=200)
    model_settings = ModelSettings(**OPTIONAL)
    llm_config = LLMConfig(**OPTIONAL)
    fallback_model = StrictString(
        **OPTIONAL,
        allow_blank=False,
        max_length=200,
        help_text="Replies while `model` fails. Null clears it.",
    )
    on_busy = StrictChoice(
        OnBusy.values,
        **OPTIONAL,
        help_text="What becomes of messages to a busy conversation. Null clears it.",
    )
    embedding_config = EmbeddingConfig(**OPTIONAL)
    embedding = StrictString(**OPTIONAL, max_length=200)
    context_window_limit = StrictInteger(**OPTIONAL, min_value=1)
    timezone = StrictString(**OPTIONAL, max_length=64)
    block_ids = StrictList(child=StrictString(), **OPTIONAL)
    tool_ids = StrictList(child=StrictString(), **OPTIONAL)
    identity_ids = StrictList(child=StrictString(), **OPTIONAL)
    folder_ids = StrictList(child=StrictString(), **OPTIONAL)
    source_ids = StrictList(
        child=StrictString(), **OPTIONAL, help_text="Older name of `folder_ids`."
    )
    max_files_open = StrictInteger(
        **OPTIONAL,
        min_value=0,
        max_value=100,
        help_text="How many files are in its prompt; by default, as its context window permits.",
    )
    per_file_view_window_char_limit = StrictInteger(
        **OPTIONAL, min_value=1, help_text="How many characters of each; the same default."
    )
    tool_rules = StrictList(
        child=StrictObject(), **OPTIONAL, help_text="Rules as V1 has them, by `type`."
    )
    tool_exec_environment_variables = Variables(**OPTIONAL)
    secrets = Variables(**OPTIONAL, help_text="Newer name of `tool_exec_environment_variables`.")
    tags = StrictList(child=StrictString(), **OPTIONAL)
    metadata = StrictObject(**OPTIONAL)
    hidden = StrictBoolean(**OPTIONAL)
    isolated_labels = StrictList(
        child=Label(),
        **OPTIONAL,
        help_text="Labels to isolate in every new conversation.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        fields = without_nulls(attrs)
        fields |= {name: attrs[name] for name in ("fallback_model", "on_busy") if name in attrs}
        for name in ("tool_exec_environment_variables", "secrets"):
            if name in fields:
                fields["variables"] = fields.pop(name)
        if "tools" in fields:
            fields["tool_names"] = fields.pop("tools")
        config = fields.pop("llm_config", None)
        if config and "model" not in fields:
            provider = config.get("provider_name") or config.get("model_endpoint_type") or "openai"
            fields["model"] = config.get("handle") or f"{provider}/{config['model']}"
            if (window := config.get("context_window")) is not None:
                fields.setdefault("context_window_limit", window)
            if settings := settings_of(config):
                fields["model_settings"] = settings | fields.get("model_settings", {})
        if embedding := fields.pop("embedding_config", None):
            fields.setdefault("embedding", embedding_handle(embedding))
        return fields


class CreateAgentBody(AgentBody):
    """The body of POST /v1/agents/."""

    agent_type = StrictString(**OPTIONAL, allow_blank=False, max_length=50)
    memory_blocks = StrictList(child=CreateBlockBody(), **OPTIONAL)
    tools = StrictList(child=StrictString(allow_blank=False, max_length=200), **OPTIONAL)
    include_base_tools = StrictBoolean(default=True)
    enable_sleeptime = StrictBoolean(
        **OPTIONAL, help_text="Creates nothing; the response then names an empty group."
    )
    initial_message_sequence = StrictList(child=InitialMessage(), **OPTIONAL)
    response_format = StrictObject(**OPTIONAL, help_text="Older name of the model setting.")
    max_tokens = StrictInteger(**OPTIONAL, min_value=1, help_text="`max_output_tokens`.")
    parallel_tool_calls = StrictBoolean(**OPTIONAL, help_text="Older name of the model setting.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        fields = super().validate(attrs)
        settings = settings_of(fields)
        for name in ("response_format", "max_tokens", "parallel_tool_calls"):
            fields.pop(name, None)
        if settings:
            fields["model_settings"] = settings | fields.get("model_settings", {})
        return fields


class UpdateAgentBody(AgentBody):
    """The body of PATCH /v1/agents/{id}; lists replace the whole list."""


class ResetMessagesBody(Input):
    """The body of PATCH /v1/agents/{id}/reset-messages."""

    add_default_initial_messages = StrictBoolean(
        default=False, help_text="Ignored: the system message always stays, and is the only one."
    )


class ApprovalQuery(Input):
    """The query of PATCH /v1/agents/{id}/tools/approval/{tool_name}."""

    requires_approval = StrictBoolean(required=False)


class ApprovalBody(ApprovalQuery):
    """The body of PATCH /v1/agents/{id}/tools/approval/{tool_name}."""


class IncludeQuery(Input):
    """The relations that a response includes."""

    include = StrictList(
        child=StrictChoice(RELATIONS), required=False, help_text="Relations to include."
    )


class CountAgentsQuery(Input):
    """The query of GET /v1/agents/count; lists accept it too."""

    name = StrictString(required=False)
    query_text = StrictString(required=False, help_text="Part of the name, ignoring case.")
    tags = StrictList(child=StrictString(), default=list)
    match_all_tags = StrictBoolean(default=False)
    created_by_id = Id("user", required=False)
    project_id = StrictString(required=False, help_text="Not supported: matches no agent.")
    template_id = StrictString(required=False, help_text="Not supported: matches no agent.")
    base_template_id = StrictString(required=False, help_text="Not supported: matches no agent.")
    identity_id = Id("identity", required=False)
    identifier_keys = StrictList(
        child=StrictString(), default=list, help_text="Keys of identities; one has to be attached."
    )
    last_stop_reason = StrictString(required=False)
    show_hidden_agents = StrictBoolean(default=False)


class ListAgentsQuery(CountAgentsQuery, IncludeQuery, PageQuery):
    """The query of GET /v1/agents/."""

    order_by = StrictChoice(
        ["created_at", "updated_at", "last_run_completion"], default="created_at"
    )
    sort_by = StrictChoice(
        ["created_at", "updated_at", "last_run_completion"],
        required=False,
        help_text="Older name of `order_by`.",
    )
    ascending = StrictBoolean(required=False, help_text="Older name of `order`.")


class BlockAgentsQuery(IncludeQuery, PageQuery):
    """The query of GET /v1/blocks/{id}/agents."""


class ContextQuery(Input):
    """The query of GET /v1/agents/{id}/context."""

    conversation_id = StrictString(
        required=False, help_text="`conv-…` or `default`, which is the default."
    )


class RecompileAgentQuery(Input):
    """The query of POST /v1/agents/{id}/recompile."""

    dry_run = StrictBoolean(default=False, help_text="Return the prompt without storing it.")
    update_timestamp = StrictBoolean(default=True, help_text="Ignored: the time is always updated.")
