"""The tools of an organization: find them by name, create, update and delete them."""

import re
from collections.abc import Iterable
from typing import Any, TypedDict, Unpack

from django.db import IntegrityError, transaction

from ...models import AuditAction, Organization, Tool
from ..actor import Actor
from ..audit import record
from ..errors import Conflict, InvalidArgument, InvalidValue, UnknownId
from .definitions import BUILT_IN_TYPES, FUNCTIONS, UNAVAILABLE_TYPES
from .source import schema_of_source

# What providers accept as the name of a function.
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

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


def upsert_tool(organization: Organization, *, by: Actor, **fields: Unpack[ToolFields]) -> Tool:
    """Create the custom tool that a source or a schema names, or update the one of that name.

    Without `json_schema`, it is derived from the source. Raises NoSchema.
    """
    fields = _completed(fields)
    for _ in range(2):
        stored = Tool.objects.in_organization(organization).get_or_none(name=fields["name"])
        if stored is not None:
            return update_tool(stored, by=by, **fields)
        try:
            with transaction.atomic():
                return Tool.objects.create(
                    organization=organization,
                    created_by=by.member,
                    last_updated_by=by.member,
                    **fields,
                )
        except IntegrityError:
            continue  # Another request has created it.
    raise Conflict(f"The tool {fields['name']} is created and deleted at the same time; try again")


@transaction.atomic
def update_tool(tool: Tool, *, by: Actor, **changes: Unpack[ToolFields]) -> Tool:
    """Change fields of a custom tool and return the fresh row.

    A new source brings a new schema, unless that is given too.
    """
    tool = _lock(tool)
    if tool.is_built_in or tool.name in ALL_BUILT_IN:
        raise InvalidArgument(f"{tool.name} is built in and can't be changed")
    if changes.get("source_code") or changes.get("json_schema"):
        changes = _completed(changes)
    for name, value in changes.items():
        setattr(tool, name, value)
    tool.last_updated_by = by.member
    try:
        with transaction.atomic():
            tool.save(update_fields=[*changes, "last_updated_by", "updated_at"])
    except IntegrityError:
        raise Conflict(f"Another tool has the name {tool.name!r}") from None
    return tool


@transaction.atomic
def delete_tool(tool: Tool, *, by: Actor) -> None:
    """Delete a tool, also from the agents that have it. Unlike memory, it can't be restored."""
    locked = _lock(tool)
    record(AuditAction.DELETED, by=by, organization=locked.organization_id, about=locked)
    locked.delete()


def _lock(tool: Tool) -> Tool:
    try:
        return Tool.objects.select_for_update(no_key=True).get(pk=tool.pk)
    except Tool.DoesNotExist:
        raise UnknownId(Tool, tool.pk) from None


def _completed(fields: ToolFields) -> ToolFields:
    """Return the fields with a schema, and the name and the description that it says."""
    schema = fields.get("json_schema")
    if not schema:
        schema = schema_of_source(fields.get("source_code") or "", fields.get("args_json_schema"))
    name = schema.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InvalidValue(
            "json_schema.name",
            f"expected 1 to 64 letters, digits, underscores and hyphens, got {name!r}",
        )
    if name in ALL_BUILT_IN:
        raise InvalidArgument(f"{name} is built in; give the function another name")
    description = fields.get("description") or schema.get("description")
    return {**fields, "name": name, "json_schema": schema, "description": description}


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
