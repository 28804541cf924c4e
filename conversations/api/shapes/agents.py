"""JSON of agents, their tools and their memory."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from ...domain.folders.directories import limits_of
from ...models import Agent, ConversationMessage, Message, OnBusy
from ...models.agents import AgentQuerySet
from ...models.runs import last_stop_reason
from .blocks import BlockJSON, block_json
from .embeddings import EmbeddingConfigJSON, embedding_config_json
from .fields import EmptyList, JSONObject, attributes, constants, one_of
from .folders import FolderJSON, folder_json
from .identities import IdentityJSON, identity_json
from .messages import MessageJSON, message_json
from .tools import ToolJSON, ToolRuleJSON, VariableJSON, tool_json, variable_json

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


class MemoryJSON(TypedDict):
    """An agent's shared blocks as the client's `Memory` type reads them."""

    agent_type: str
    git_enabled: Literal[False]
    blocks: list[BlockJSON]
    file_blocks: EmptyList
    prompt_template: Literal[""]


class LLMConfigJSON(TypedDict):
    """The agent's model in V1's older notation."""

    handle: str
    model: str
    model_endpoint_type: Literal["openai"]
    model_endpoint: None
    provider_name: str
    provider_category: Literal["base"]
    context_window: int
    put_inner_thoughts_in_kwargs: Literal[False]


class UnusedGroupFields(TypedDict):
    """Fields of V1's group that never have another value here."""

    manager_type: Literal["sleeptime"]
    agent_ids: EmptyList
    shared_block_ids: EmptyList
    sleeptime_agent_frequency: None
    turns_counter: None
    last_processed_message_id: None
    project_id: None
    template_id: None
    base_template_id: None
    deployment_id: None
    hidden: None


class GroupJSON(UnusedGroupFields):
    """The empty group of an agent: no sleeptime agent runs beside it."""

    id: str
    manager_agent_id: str
    description: str


class UnusedAgentFields(TypedDict):
    """Fields of V1's agent for features that this server does not have."""

    base_template_id: None
    compaction_settings: None
    deployment_id: None
    enable_sleeptime: None
    entity_id: None
    last_run_duration_ms: None
    managed_group: None
    message_buffer_autoclear: Literal[False]
    project_id: None
    response_format: None
    template_id: None


class AgentAttributes(TypedDict):
    """What an agent stores."""

    id: str
    name: str
    description: str | None
    system: str
    agent_type: str
    model: str
    model_settings: JSONObject | None
    fallback_model: Annotated[str | None, Field(description="Replies while `model` fails.")]
    on_busy: Annotated[
        Annotated[str, one_of(OnBusy.values)] | None,
        Field(description="What becomes of messages to a busy conversation."),
    ]
    embedding: str | None
    isolated_labels: Annotated[
        list[str], Field(description="Labels that every new conversation isolates.")
    ]
    metadata: JSONObject
    timezone: str
    hidden: bool | None
    created_at: datetime
    updated_at: datetime
    created_by_id: str | None
    last_updated_by_id: str | None


class AgentJSON(AgentAttributes, UnusedAgentFields):
    """An agent as the client's `AgentState` type reads it, with its isolation policy.

    `blocks`, `tools`, `identities` and `tags` are empty unless the request includes them.
    """

    llm_config: LLMConfigJSON
    embedding_config: EmbeddingConfigJSON | None
    max_files_open: int
    per_file_view_window_char_limit: int
    blocks: list[BlockJSON]
    memory: MemoryJSON
    message_ids: Annotated[
        list[str], Field(description="Messages in the context of the default conversation.")
    ]
    tools: list[ToolJSON]
    tool_rules: list[ToolRuleJSON]
    secrets: list[VariableJSON]
    tool_exec_environment_variables: list[VariableJSON]
    identities: Annotated[
        list[IdentityJSON], Field(description="Their agents and blocks are not listed here.")
    ]
    identity_ids: list[str]
    tags: list[str]
    sources: list[FolderJSON]
    last_run_completion: datetime | None
    last_stop_reason: Annotated[str | None, Field(description="Of the newest run that has one.")]
    pending_approval: Annotated[
        MessageJSON | None,
        Field(description="The request that the default conversation waits for, if included."),
    ]
    multi_agent_group: Annotated[
        GroupJSON | None,
        Field(description="Only in the response to a creation with `enable_sleeptime`."),
    ]


class ImportedAgentsJSON(TypedDict):
    """The agents of an imported file, as the client's `AgentImportFileResponse` reads them."""

    agent_ids: list[str]


_UNUSED = constants(UnusedAgentFields)
_UNUSED_IN_GROUP = constants(UnusedGroupFields)


def group_json(agent: Agent) -> GroupJSON:
    """Return the JSON of the empty group of an agent."""
    return {
        **_UNUSED_IN_GROUP,
        "id": agent.pk.replace("agent-", "group-", 1),
        "manager_agent_id": agent.pk,
        "description": "",
    }


def with_relations(rows: AgentQuerySet, relations: set[str] | None = None) -> AgentQuerySet:
    """Prefetch the relations that `agents_json` fills; None stands for all of them."""
    filled = set(RELATIONS) if relations is None else relations
    rows = rows.annotate(last_stop_reason=last_stop_reason())
    rows = rows.with_blocks() if "agent.blocks" in filled else rows
    rows = rows.with_tools() if "agent.tools" in filled else rows
    rows = rows.with_identities() if "agent.identities" in filled else rows
    rows = rows.with_folders() if "agent.sources" in filled else rows
    return rows.with_variables() if "agent.secrets" in filled else rows


def agents_json(agents: list[Agent], relations: set[str] | None = None) -> list[AgentJSON]:
    """Return the JSON of agents that were loaded `with_relations`, in one query.

    Args:
        agents: The agents, in the order of the result.
        relations: The relations to fill; None fills all.
    """
    message_ids: dict[str, list[str]] = {agent.pk: [] for agent in agents}
    links = ConversationMessage.objects.filter(
        conversation__agent__in=message_ids, conversation__is_default=True
    ).in_context()
    for agent_id, message_id in links.values_list("conversation__agent_id", "message_id"):
        message_ids[agent_id].append(message_id)
    filled = set(RELATIONS) if relations is None else relations
    pending: dict[str, MessageJSON] = {}
    # Only if it is named: it takes a query.
    if relations and "agent.pending_approval" in relations:
        pending = _pending_approvals(ids[-1] for ids in message_ids.values() if ids)
    return [
        _agent_json(agent, message_ids[agent.pk], filled, pending.get(agent.pk)) for agent in agents
    ]


def _pending_approvals(newest_ids: Iterable[str]) -> dict[str, MessageJSON]:
    """Return the requests for approval among the newest messages, by agent."""
    requests = Message.objects.filter(pk__in=list(newest_ids), role=Message.Role.APPROVAL)
    return {
        message.agent_id: message_json(message)[0] for message in requests if message.tool_calls
    }


def memory_json(agent: Agent, blocks: list[BlockJSON]) -> MemoryJSON:
    """Return the JSON of an agent's memory with these blocks."""
    return {
        "agent_type": agent.agent_type,
        "git_enabled": False,
        "blocks": blocks,
        "file_blocks": [],
        "prompt_template": "",
    }


def attached_blocks_json(agent: Agent) -> list[BlockJSON]:
    """Return the attached blocks, loaded by `Agent.objects.with_blocks()`, in prompt order."""
    return [block_json(link.block) for link in agent.block_links.all()]


def attached_tools_json(agent: Agent) -> list[ToolJSON]:
    """Return the attached tools, loaded by `Agent.objects.with_tools()`, in their order."""
    return [tool_json(link.tool) for link in agent.tool_links.all()]


def _agent_json(
    agent: Agent, message_ids: list[str], filled: set[str], pending: MessageJSON | None
) -> AgentJSON:
    blocks = attached_blocks_json(agent) if "agent.blocks" in filled else []
    links = list(agent.identity_links.all()) if "agent.identities" in filled else []
    identities = [link.identity for link in links]
    secrets = list(agent.variables.all()) if "agent.secrets" in filled else []
    variables = [variable_json(variable) for variable in secrets]
    links_to_folders = list(agent.folder_links.all()) if "agent.sources" in filled else []
    sources = [folder_json(link.folder) for link in links_to_folders]
    limits = limits_of(agent)
    provider, _, model = agent.model.partition("/")
    return {
        **attributes(AgentAttributes, agent),
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
        "embedding_config": embedding_config_json(agent.embedding) if agent.embedding else None,
        "max_files_open": limits.files,
        "per_file_view_window_char_limit": limits.characters,
        "blocks": blocks,
        "memory": memory_json(agent, blocks),
        "message_ids": message_ids,
        "tools": attached_tools_json(agent) if "agent.tools" in filled else [],
        "tool_rules": agent.tool_rules,
        "secrets": variables,
        "tool_exec_environment_variables": variables,
        "identities": [identity_json(identity) for identity in identities],
        "identity_ids": [identity.pk for identity in identities],
        "tags": agent.tags if "agent.tags" in filled else [],
        "sources": sources,
        "last_run_completion": agent.last_run_completed_at,
        "last_stop_reason": getattr(agent, "last_stop_reason", None),
        "pending_approval": pending,
        "multi_agent_group": None,
        **_UNUSED,
    }
