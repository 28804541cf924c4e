from rest_framework import serializers

from ...domain.tools import definitions as tools
from ...models import Agent, ConversationMessage
from .blocks import BlockSerializer, CreateBlockBody
from .conversations import ModelSettings
from .fields import Choice, Flag, JsonObject, Label, Listed, Text, WholeNumber

RELATIONS = [
    "agent.blocks",
    "agent.identities",
    "agent.managed_group",
    "agent.pending_approval",
    "agent.secrets",
    "agent.sources",
    "agent.tags",
    "agent.tools",
]


class ToolSerializer(serializers.Serializer):
    """A tool as the client's `Tool` type reads it, in short."""

    id = serializers.CharField()
    name = serializers.CharField()
    tool_type = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    json_schema = serializers.DictField(allow_null=True)
    source_code = serializers.CharField(allow_null=True)
    tags = serializers.ListField(child=serializers.CharField())


def represent_tools(agent: Agent) -> list[dict]:
    """The agent's tools: those known here, and what was imported of others, which is never run."""
    imported = {tool["name"]: tool for tool in agent.tool_definitions}
    represented = []
    for name in agent.tools:
        function = tools.FUNCTIONS.get(name)
        told = imported.get(name, {})
        represented.append(
            {
                "id": tools.tool_id(name),
                "name": name,
                "tool_type": "letta_core" if function else "custom",
                "description": function["description"] if function else told.get("description"),
                "json_schema": function or told.get("json_schema"),
                "source_code": told.get("source_code"),
                "tags": told.get("tags") or [],
            }
        )
    return represented


class MemorySerializer(serializers.Serializer):
    """An agent's shared blocks as the client's `Memory` type reads them."""

    agent_type = serializers.CharField()
    git_enabled = serializers.BooleanField()
    blocks = BlockSerializer(many=True)
    file_blocks = serializers.ListField()
    prompt_template = serializers.CharField()


class AgentSerializer(serializers.Serializer):
    """An agent as the client's `AgentState` type reads it, and its isolation policy.

    What this server does not keep (sources, identities, secrets) has its empty value.
    """

    id = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    system = serializers.CharField()
    agent_type = serializers.CharField()
    model = serializers.CharField()
    model_settings = serializers.DictField(allow_null=True)
    llm_config = serializers.DictField()
    embedding = serializers.CharField(allow_null=True)
    embedding_config = serializers.DictField(allow_null=True)
    blocks = BlockSerializer(many=True)
    memory = MemorySerializer()
    isolated_labels = serializers.ListField(child=serializers.CharField())
    message_ids = serializers.ListField(child=serializers.CharField())
    tools = ToolSerializer(many=True)
    tool_rules = serializers.ListField()
    tags = serializers.ListField(child=serializers.CharField())
    sources = serializers.ListField()
    metadata = serializers.DictField()
    timezone = serializers.CharField()
    hidden = serializers.BooleanField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    created_by_id = serializers.CharField(allow_null=True)
    last_updated_by_id = serializers.CharField(allow_null=True)
    last_run_completion = serializers.DateTimeField(allow_null=True)


# Fields of V1's agent that belong to products this server has no part in.
ABSENT = {
    "base_template_id": None,
    "compaction_settings": None,
    "deployment_id": None,
    "enable_sleeptime": None,
    "entity_id": None,
    "identities": [],
    "identity_ids": [],
    "last_run_duration_ms": None,
    "last_stop_reason": None,
    "managed_group": None,
    "max_files_open": None,
    "message_buffer_autoclear": False,
    "multi_agent_group": None,
    "pending_approval": None,
    "per_file_view_window_char_limit": None,
    "project_id": None,
    "response_format": None,
    "secrets": [],
    "template_id": None,
    "tool_exec_environment_variables": [],
}


def represent_agents(agents: list[Agent], relations: set[str] | None = None) -> list[dict]:
    """Agents on the wire, in one query however many there are; load them `with_blocks()`.

    `relations` are those to fill; None fills all.
    """
    message_ids: dict[str, list[str]] = {agent.pk: [] for agent in agents}
    links = ConversationMessage.objects.filter(
        conversation__agent__in=message_ids, conversation__is_default=True
    ).in_context()
    for agent_id, message_id in links.values_list("conversation__agent_id", "message_id"):
        message_ids[agent_id].append(message_id)
    filled = set(RELATIONS) if relations is None else relations
    return [_represent(agent, message_ids[agent.pk], filled) for agent in agents]


def represent_memory(agent: Agent, blocks: list[dict]) -> dict:
    return {
        "agent_type": agent.agent_type,
        "git_enabled": False,
        "blocks": blocks,
        "file_blocks": [],
        "prompt_template": "",
    }


def represent_blocks(agent: Agent) -> list[dict]:
    """The attached blocks, loaded by `Agent.objects.with_blocks()`, in prompt order."""
    serializer = BlockSerializer()
    return [serializer.to_representation(link.block) for link in agent.block_links.all()]


def _represent(agent: Agent, message_ids: list[str], filled: set[str]) -> dict:
    blocks = represent_blocks(agent) if "agent.blocks" in filled else []
    provider, _, model = agent.model.partition("/")
    return {
        "id": agent.pk,
        "name": agent.name,
        "description": agent.description,
        "system": agent.system,
        "agent_type": agent.agent_type,
        "model": agent.model,
        "model_settings": agent.model_settings,
        "llm_config": {
            "handle": agent.model,
            "model": model,
            "model_endpoint_type": "openai",
            "model_endpoint": None,
            "provider_name": provider,
            "provider_category": "base",
            "context_window": agent.context_window_limit,
            "put_inner_thoughts_in_kwargs": False,
        },
        "embedding": agent.embedding,
        "embedding_config": None,
        "blocks": blocks,
        "memory": represent_memory(agent, blocks),
        "isolated_labels": agent.isolated_labels,
        "message_ids": message_ids,
        "tools": represent_tools(agent) if "agent.tools" in filled else [],
        "tool_rules": [
            {"type": "requires_approval", "tool_name": name} for name in agent.approval_tools
        ],
        "tags": agent.tags if "agent.tags" in filled else [],
        "sources": [],
        "metadata": agent.metadata,
        "timezone": agent.timezone,
        "hidden": agent.hidden,
        "created_at": agent.created_at,
        "updated_at": agent.updated_at,
        "created_by_id": agent.created_by_id,
        "last_updated_by_id": agent.last_updated_by_id,
        "last_run_completion": agent.last_run_completed_at,
        **ABSENT,
    }


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
