"""JSON of tools, their rules and the environment variables of an agent's tools."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from ...domain.runs.events import now_text
from ...domain.tools.definitions import function_of
from ...domain.tools.execution import ToolResult
from ...domain.tools.variables import MASK
from ...models import AgentVariable, Tool
from .fields import JSONObject, attributes
from .messages import MessageContent, ToolReturnJSON, ToolStatus, tool_return_content


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


class FoundToolJSON(TypedDict):
    """A tool that matches a search, as the client's `ToolSearchResult` reads it."""

    tool: ToolJSON
    embedded_text: None
    fts_rank: int
    vector_rank: None
    combined_score: float


class ToolResultJSON(TypedDict):
    """What a tool returned, as the client's `ToolExecutionResult` reads it."""

    status: ToolStatus
    func_return: str
    agent_state: None
    stdout: list[str] | None
    stderr: list[str] | None
    sandbox_config_fingerprint: None


class ReturnedJSON(MessageContent):
    """What a source returned, in the form of a message of no conversation."""

    id: str
    date: str
    name: str
    otid: None
    sender_id: None
    step_id: None
    is_err: None
    seq_id: None
    run_id: None


def found_tools_json(tools: list[Tool]) -> list[FoundToolJSON]:
    """Return the JSON of found tools, the best first."""
    return [
        {
            "tool": tool_json(tool),
            "embedded_text": None,
            "fts_rank": rank,
            "vector_rank": None,
            # V1's formula for one ranking: reciprocal rank fusion.
            "combined_score": 1 / (60 + rank),
        }
        for rank, tool in enumerate(tools, start=1)
    ]


def tool_result_json(result: ToolResult) -> ToolResultJSON:
    """Return the JSON of a result."""
    return {
        "status": "error" if result.is_error else "success",
        "func_return": result.text,
        "agent_state": None,
        "stdout": result.stdout,
        "stderr": result.stderr,
        "sandbox_config_fingerprint": None,
    }


def returned_json(name: str, result: ToolResult) -> ReturnedJSON:
    """Return the JSON of a result as a message, with V1's "null" in place of ids."""
    returned: ToolReturnJSON = {
        "type": "tool",
        "tool_return": result.text,
        "status": "error" if result.is_error else "success",
        "tool_call_id": "null",
        "stdout": result.stdout,
        "stderr": result.stderr,
    }
    return {
        "id": "null",
        "date": now_text(),
        "name": name,
        "otid": None,
        "sender_id": None,
        "step_id": None,
        "is_err": None,
        "seq_id": None,
        "run_id": None,
        **tool_return_content([returned]),
    }


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
