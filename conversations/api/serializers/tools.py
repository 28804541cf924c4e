"""Request bodies and queries of tools."""

from typing import Any

from .fields import (
    OPTIONAL,
    Input,
    PageQuery,
    StrictBoolean,
    StrictChoice,
    StrictInteger,
    StrictList,
    StrictObject,
    StrictString,
)

MAX_RETURN_CHARS = 1_000_000


class WordList(StrictList):
    """A list of words; in a query, repeated or separated by commas."""

    child = StrictString()

    def to_internal_value(self, data: Any) -> list[str]:
        items: list[str] = super().to_internal_value(data)
        return [word.strip() for item in items for word in item.split(",") if word.strip()]


class ToolBody(Input):
    """The editable fields of a tool. Null means absent."""

    description = StrictString(**OPTIONAL)
    source_type = StrictString(**OPTIONAL, max_length=20)
    source_code = StrictString(**OPTIONAL)
    json_schema = StrictObject(**OPTIONAL)
    args_json_schema = StrictObject(**OPTIONAL)
    return_char_limit = StrictInteger(**OPTIONAL, min_value=1, max_value=MAX_RETURN_CHARS)
    tags = StrictList(child=StrictString(), **OPTIONAL)
    pip_requirements = StrictList(child=StrictObject(), **OPTIONAL)
    npm_requirements = StrictList(child=StrictObject(), **OPTIONAL)
    default_requires_approval = StrictBoolean(**OPTIONAL)
    enable_parallel_execution = StrictBoolean(**OPTIONAL)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        fields = {name: value for name, value in attrs.items() if value is not None}
        if "metadata_" in fields:
            fields["metadata"] = fields.pop("metadata_")
        return fields


class UpsertToolBody(ToolBody):
    """The body of POST and PUT /v1/tools/."""

    source_code = StrictString(allow_blank=False)


class UpdateToolBody(ToolBody):
    """The body of PATCH /v1/tools/{id}."""

    metadata_ = StrictObject(**OPTIONAL)


class CountToolsQuery(Input):
    """The query of GET /v1/tools/count; the list accepts it too."""

    name = StrictString(required=False)
    names = WordList(default=list)
    tool_ids = WordList(default=list)
    search = StrictString(required=False, help_text="Part of the name, ignoring case.")
    tool_types = WordList(default=list)
    exclude_tool_types = WordList(default=list)
    return_only_letta_tools = StrictBoolean(
        default=False, help_text="Only built-in tools, whose types start with `letta_`."
    )


class ListToolsQuery(CountToolsQuery, PageQuery):
    """The query of GET /v1/tools/."""


class AgentToolsQuery(PageQuery):
    """The query of GET /v1/agents/{id}/tools."""


class SearchToolsBody(Input):
    """The body of POST /v1/tools/search."""

    query = StrictString(**OPTIONAL)
    search_mode = StrictChoice(
        ["vector", "fts", "hybrid"],
        default="hybrid",
        help_text="Ignored: names and descriptions are searched for words.",
    )
    tool_types = StrictList(child=StrictString(), **OPTIONAL)
    tags = StrictList(child=StrictString(), **OPTIONAL)
    limit = StrictInteger(default=50, min_value=1, max_value=1000)


class RunToolBody(Input):
    """The body of POST /v1/agents/{id}/tools/{name}/run."""

    args = StrictObject(default=dict)


class RunSourceBody(Input):
    """The body of POST /v1/tools/run."""

    source_code = StrictString(allow_blank=False)
    args = StrictObject(default=dict)
    env_vars = StrictObject(**OPTIONAL, help_text="Environment variables of the tool.")
    name = StrictString(**OPTIONAL, max_length=200, help_text="The name of the function.")
    source_type = StrictString(**OPTIONAL)
    args_json_schema = StrictObject(**OPTIONAL)
    json_schema = StrictObject(**OPTIONAL)
