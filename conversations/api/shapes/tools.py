"""JSON of tools, their rules and the environment variables of an agent's tools."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from ...domain.tools.definitions import function_of
from ...domain.tools.variables import MASK
from ...models import AgentVariable, Tool
from .fields import JSONObject, attributes


class ToolAttributes(TypedDict):
    """What a tool stores."""

    id: str
    name: str
    tool_type: str
    description: str | None
    source_type: str
    source_code: str | None
    args_json_schema: JSONObject | None
    return_char_limit: int
    tags: list[str]
    pip_requirements: list[JSONObject] | None
    npm_requirements: list[JSONObject] | None
    default_requires_approval: bool | None
    enable_parallel_execution: bool
    created_by_id: str | None
    last_updated_by_id: str | None


class ToolJSON(ToolAttributes):
    """A tool as the client's `Tool` type reads it."""

    json_schema: JSONObject | None
    metadata_: JSONObject
    project_id: None


class ToolRuleJSON(TypedDict):
    """A rule for the use of a tool; which fields it has depends on its type."""

    type: Literal[
        "conditional",
        "constrain_child_tools",
        "continue_loop",
        "exit_loop",
        "max_count_per_step",
        "parent_last_tool",
        "required_before_exit",
        "requires_approval",
        "run_first",
    ]
    tool_name: str
    prompt_template: str | None
    args: NotRequired[JSONObject | None]
    child_arg_nodes: NotRequired[list[JSONObject] | None]
    child_output_mapping: NotRequired[dict[str, str]]
    children: NotRequired[list[str]]
    default_child: NotRequired[str | None]
    max_count_limit: NotRequired[int]
    require_output_mapping: NotRequired[bool]


class VariableJSON(TypedDict):
    """An environment variable of an agent's tools. Its value is never shown."""

    id: str
    agent_id: str
    key: str
    value: Literal["********"]
    value_enc: None
    description: str | None
    created_by_id: None
    last_updated_by_id: None
    created_at: None
    updated_at: None


def tool_json(tool: Tool) -> ToolJSON:
    """Return the JSON of a tool."""
    function = function_of(tool) if tool.is_built_in else None
    return {
        **attributes(ToolAttributes, tool),
        "description": function["description"] if function else tool.description,
        "json_schema": function or tool.json_schema,
        "metadata_": tool.metadata,
        "project_id": None,
    }


def variable_json(variable: AgentVariable) -> VariableJSON:
    """Return the JSON of an environment variable."""
    return {
        "id": variable.pk,
        "agent_id": variable.agent_id,
        "key": variable.name,
        "value": MASK,
        "value_enc": None,
        "description": variable.description,
        "created_by_id": None,
        "last_updated_by_id": None,
        "created_at": None,
        "updated_at": None,
    }
