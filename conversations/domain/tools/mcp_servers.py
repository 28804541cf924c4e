"""MCP servers of an organization, and the tools that were found on them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

from django.db import IntegrityError, transaction

from ...models import Agent, AuditAction, McpHeader, McpServer, Organization, Tool
from ...outbound import OutboundError, check_url
from ...text import find_unstorable, replace_unstorable
from ..actor import Actor
from ..audit import record
from ..errors import Conflict, DomainError, InvalidArgument, InvalidValue, UnknownId
from .catalog import ALL_BUILT_IN
from .variables import MASK, variables_of

MAX_TOOLS = 500
# Of a tool's schema, in bytes of JSON: models read it in each request.
MAX_SCHEMA = 32 * 2**10
MAX_HEADERS = 50
MAX_DESCRIPTION = 10_000
# Of V1: a secret of the agent, and what stands for it without one.
TEMPLATE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*(?:\|\s*([^}]*?)\s*)?\}\}")
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}")
# What the protocol and HTTP themselves set.
RESERVED_HEADERS = {
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
}
AGENT_HEADER = "X-Agent-Id"


class McpServerFailed(DomainError):
    """An MCP server can't be reached, or responds with an error; the text says which."""


class McpServerFields(TypedDict, total=False):
    """What a caller may set on a server.

    `token` and the values of `headers` may be MASK, which keeps the stored ones.
    """

    name: str
    kind: str
    url: str
    auth_header: str | None
    token: str | None
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Endpoint:
    """Where a server is, and the headers of each request in clear."""

    kind: str
    url: str
    headers: dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class FoundTool:
    """A tool as a server lists it."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class ToolChanges:
    """The names of the tools that a refresh has changed, and why it left others out."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@transaction.atomic
def create_mcp_server(
    organization: Organization, *, by: Actor, **fields: Unpack[McpServerFields]
) -> McpServer:
    """Create a server without tools; `store_tools` adds those."""
    server = McpServer(organization=organization, created_by=by.member, last_updated_by=by.member)
    return _save(server, fields)


@transaction.atomic
def update_mcp_server(
    server: McpServer, *, by: Actor, **changes: Unpack[McpServerFields]
) -> McpServer:
    """Change fields of a server and return the fresh row. `headers` replaces all of them."""
    server = _lock(server)
    server.last_updated_by = by.member
    if changes.get("url", server.url) != server.url:
        _check_secrets_given(server, changes)
    return _save(server, changes)


@transaction.atomic
def delete_mcp_server(server: McpServer, *, by: Actor) -> None:
    """Delete a server with its tools, also from the agents that have them."""
    locked = _lock(server)
    record(AuditAction.DELETED, by=by, organization=locked.organization_id, about=locked)
    locked.delete()


def endpoint_of(
    server: McpServer, agent: Agent | None = None, variables: Mapping[str, str] | None = None
) -> Endpoint:
    """Return how to connect to a server, with the agent's secrets filled into its headers.

    Raises InvalidArgument for a secret that is missing, and SecretUnreadable.
    """
    values = {**(variables_of(agent) if agent else {}), **(variables or {})}
    headers = {
        header.name: _filled(header.name, header.value.reveal(), values)
        for header in server.headers.all()
    }
    if server.token is not None:
        name = server.auth_header or "Authorization"
        token = _filled(name, server.token.reveal(), values)
        is_bare = name.lower() == "authorization" and " " not in token
        headers[name] = f"Bearer {token}" if is_bare else token
    if agent:
        headers[AGENT_HEADER] = agent.pk
    return Endpoint(server.kind, server.url, headers)


@transaction.atomic
def store_tools(server: McpServer, found: list[FoundTool], *, by: Actor) -> ToolChanges:
    """Make the stored tools of a server those that it lists, and return what changed.

    Tools that it no longer lists are deleted, also from agents. A name that is taken, or that
    models can't use, gets the server's name in front.
    """
    server = _lock(server)
    changes = ToolChanges()
    if len(found) > MAX_TOOLS:
        raise InvalidArgument(f"The server lists {len(found)} tools; the maximum is {MAX_TOOLS}")
    stored = {tool.mcp_name: tool for tool in server.tools.all()}
    rows = Tool.objects.in_organization(server.organization_id)
    taken = {*ALL_BUILT_IN, *rows.values_list("name", flat=True)}
    listed: set[str] = set()
    for each in found:
        if problem := _problem(each, listed):
            changes.problems.append(problem)
            continue
        listed.add(each.name)
        tool = stored.get(each.name)
        if tool is None:
            name = _free_name(server, each.name, taken)
            taken.add(name)
            tool = Tool(
                organization_id=server.organization_id,
                name=name,
                tool_type=Tool.MCP,
                mcp_server=server,
                mcp_name=each.name,
                created_by=by.member,
                tags=[f"mcp:{server.name}"],
                metadata={"mcp": {"server_name": server.name, "server_id": server.pk}},
            )
            changes.added.append(name)
        elif tool.json_schema == _schema(tool, each):
            continue
        else:
            changes.updated.append(tool.name)
        tool.description = _description(each)
        tool.json_schema = _schema(tool, each)
        tool.last_updated_by = by.member
        tool.save()
    gone = [tool for name, tool in stored.items() if name not in listed]
    changes.deleted.extend(tool.name for tool in gone)
    Tool.objects.filter(pk__in=[tool.pk for tool in gone]).delete()
    return changes


def _save(server: McpServer, fields: McpServerFields) -> McpServer:
    headers = fields.get("headers")
    _check(fields, server)
    for name in ("name", "kind", "url", "auth_header"):
        if name in fields:
            setattr(server, name, fields[name])
    if "token" in fields and fields["token"] != MASK:
        # The type of the field knows no null.
        server.token = fields["token"] or None  # type: ignore[assignment]
    try:
        with transaction.atomic():
            server.save()
    except IntegrityError:
        raise Conflict(f"Another MCP server has the name {server.name!r}") from None
    if headers is not None:
        _replace_headers(server, headers)
    return server


def _replace_headers(server: McpServer, headers: Mapping[str, str]) -> None:
    stored = {header.name: header for header in server.headers.all()}
    server.headers.exclude(name__in=headers).delete()
    for name, value in headers.items():
        if value == MASK and name in stored:
            continue
        header = stored.get(name) or McpHeader(server=server, name=name)
        header.value = value
        header.save()


def _check(fields: McpServerFields, server: McpServer) -> None:
    if "url" in fields:
        try:
            check_url(fields["url"])
        except OutboundError as error:
            raise InvalidValue("config.server_url", str(error)) from None
    headers = fields.get("headers") or {}
    if len(headers) > MAX_HEADERS:
        raise InvalidValue(
            "config.custom_headers", f"expected at most {MAX_HEADERS} headers, got {len(headers)}"
        )
    for name, value in headers.items():
        _check_header("config.custom_headers", name, value)
    if fields.get("token") or fields.get("auth_header"):
        name = fields.get("auth_header") or server.auth_header or "Authorization"
        _check_header("config.auth_header", name, fields.get("token") or "")


def _check_header(path: str, name: str, value: str) -> None:
    if not HEADER_NAME.fullmatch(name):
        raise InvalidValue(path, f"expected the name of an HTTP header, got {name!r}")
    if name.lower() in RESERVED_HEADERS:
        raise InvalidValue(path, f"the protocol sets the header {name} itself")
    if not value.isascii() or not value.isprintable():
        raise InvalidValue(path, f"expected printable ASCII as the value of {name}")


def _check_secrets_given(server: McpServer, changes: McpServerFields) -> None:
    """Raise InvalidValue if stored secrets would go to another URL."""
    keeps_token = server.token is not None and changes.get("token", MASK) == MASK
    headers = changes.get("headers")
    keeps_headers = headers is None or MASK in headers.values()
    if keeps_token or (keeps_headers and server.headers.exists()):
        raise InvalidValue(
            "config.server_url",
            "a new URL needs the token and the headers again: stored ones stay with theirs",
        )


def _filled(header: str, text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        if name in values:
            return values[name]
        if default is None:
            raise InvalidArgument(f"The header {header} needs the secret {name} of an agent")
        return default

    filled = TEMPLATE.sub(value, text)
    if not filled.isascii() or not filled.isprintable():
        raise InvalidArgument(f"The header {header} has characters that are not printable ASCII")
    return filled


def _problem(tool: FoundTool, listed: set[str]) -> str | None:
    """Return why a listed tool can't be stored, or None."""
    shown = repr(tool.name[:100])
    if not tool.name or len(tool.name) > 200 or find_unstorable(tool.name):
        return f"{shown}: expected a name of 1 to 200 characters"
    if tool.name in listed:
        return f"{shown} is listed twice"
    if found := find_unstorable(tool.parameters):
        return f"{shown}: its schema has {found.problem}"
    if tool.parameters.get("type") != "object":
        return f"{shown}: expected a schema of the type object"
    if (size := len(json.dumps(tool.parameters))) > MAX_SCHEMA:
        return f"{shown}: its schema has {size} bytes; the maximum is {MAX_SCHEMA}"
    return None


def _description(tool: FoundTool) -> str:
    return replace_unstorable(tool.description)[:MAX_DESCRIPTION]


def _schema(tool: Tool, found: FoundTool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": _description(found),
        "parameters": {"properties": {}, **found.parameters},
    }


def _free_name(server: McpServer, name: str, taken: set[str]) -> str:
    """Return a name that models can use and that no other tool has."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    candidates = [plain] if len(plain) <= 64 else []
    prefix = re.sub(r"[^A-Za-z0-9_-]", "_", server.name)[:20]
    candidates += [f"{prefix}_{plain}"[:64], *(f"{plain[:60]}_{n}" for n in range(2, 1000))]
    return next(each for each in candidates if each not in taken)


def _lock(server: McpServer) -> McpServer:
    try:
        return McpServer.objects.select_for_update(no_key=True).get(pk=server.pk)
    except McpServer.DoesNotExist:
        raise UnknownId(McpServer, server.pk) from None
