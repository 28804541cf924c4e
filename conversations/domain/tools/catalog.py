"""The tools of an organization: find them by name, create, update and delete them."""

from collections.abc import Iterable
from typing import Any, TypedDict, Unpack

from django.db import transaction

from ...models import Organization, Tool
from ..actor import Actor
from ..errors import InvalidArgument, UnknownId
from .definitions import BUILT_IN_TYPES, FUNCTIONS, UNAVAILABLE_TYPES

ALL_BUILT_IN = BUILT_IN_TYPES | UNAVAILABLE_TYPES


class ToolsNotFound(InvalidArgument):
    """The organization has no tools with these names."""

    def __init__(self, names: list[str]):
        self.names = names
        super().__init__(f"Tools not found by name: {', '.join(names)}")


class ToolFields(TypedDict, total=False):
    """What a caller may set on a tool."""

    name: str
    tool_type: str
    description: str | None
    source_type: str
    source_code: str | None
    json_schema: dict[str, Any] | None
    args_json_schema: dict[str, Any] | None
    return_char_limit: int
    tags: list[str]
    pip_requirements: list[dict[str, Any]] | None
    npm_requirements: list[dict[str, Any]] | None
    default_requires_approval: bool | None
    enable_parallel_execution: bool
    network: bool
    metadata: dict[str, Any]


@transaction.atomic
def update_tool(tool: Tool, *, by: Actor, **changes: Unpack[ToolFields]) -> Tool:
    """Change fields of a tool and return the fresh row."""
    try:
        tool = Tool.objects.select_for_update(no_key=True).get(pk=tool.pk)
    except Tool.DoesNotExist:
        raise UnknownId(Tool, tool.pk) from None
    if tool.is_built_in:
        raise InvalidArgument(f"{tool.name} is built in and can't be changed")
    for name, value in changes.items():
        setattr(tool, name, value)
    tool.last_updated_by = by.member
    tool.save(update_fields=[*changes, "last_updated_by", "updated_at"])
    return tool


def insert_built_in_tools(organization: Organization) -> None:
    """Insert the built-in tools that the organization lacks. One query if it has them."""
    rows = Tool.objects.in_organization(organization).filter(name__in=ALL_BUILT_IN)
    present = set(rows.values_list("name", flat=True))
    missing = [name for name in ALL_BUILT_IN if name not in present]
    if missing:
        # Another request may insert them at the same time.
        Tool.objects.bulk_create(
            (_built_in(organization, name) for name in missing), ignore_conflicts=True
        )


def _built_in(organization: Organization, name: str) -> Tool:
    function = FUNCTIONS.get(name)
    description = function["description"] if function else "This server has no such tool."
    return Tool(
        organization=organization,
        name=name,
        tool_type=ALL_BUILT_IN[name],
        description=description,
        tags=[ALL_BUILT_IN[name]],
        enable_parallel_execution=name == "conversation_search",
    )


def named_tools(organization: Organization, names: Iterable[str]) -> list[Tool]:
    """Return the tools with these names, in that order and once each. Raises ToolsNotFound."""
    names = list(dict.fromkeys(names))
    found = _by_name(organization, names)
    if any(name not in found and name in ALL_BUILT_IN for name in names):
        insert_built_in_tools(organization)
        found = _by_name(organization, names)
    if missing := [name for name in names if name not in found]:
        raise ToolsNotFound(missing)
    return [found[name] for name in names]


def _by_name(organization: Organization, names: list[str]) -> dict[str, Tool]:
    if not names:
        return {}
    rows = Tool.objects.in_organization(organization).filter(name__in=names)
    return {tool.name: tool for tool in rows}
