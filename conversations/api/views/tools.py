"""Tools, the tools of an agent, and running a tool by hand."""

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.conversations.agents import attach_tool, detach_tool
from ...domain.errors import NotFound
from ...domain.tools.catalog import (
    ALL_BUILT_IN,
    delete_tool,
    insert_built_in_tools,
    update_tool,
    upsert_tool,
)
from ...domain.tools.source import schema_of_source
from ...models import Conversation, Scope, Tool
from ...runtime.tool_runners.by_hand import run_by_hand
from ..auth import actor_of, key_of
from ..http.filters import matching_tools
from ..http.pagination import page
from ..http.validation import read_body, read_query
from ..schema import operation
from ..serializers.tools import (
    AgentToolsQuery,
    CountToolsQuery,
    ListToolsQuery,
    RunSourceBody,
    RunToolBody,
    SearchToolsBody,
    UpdateToolBody,
    UpsertToolBody,
)
from ..shapes.agents import AgentJSON
from ..shapes.tools import (
    FoundToolJSON,
    ReturnedJSON,
    ToolJSON,
    ToolResultJSON,
    found_tools_json,
    returned_json,
    tool_json,
    tool_result_json,
)
from ..waiting import wait_for
from .agents import is_client_1, respond, warn_of_unavailable
from .base import ApiView
from .finders import agents_of, conversations_of, find, tools_of


def save_tool(request: Request) -> HttpResponse:
    """Create a tool, or update the one with its name, as V1 does for both methods."""
    fields = read_body(request, UpsertToolBody)
    tool = upsert_tool(key_of(request).organization, by=actor_of(request), **fields)
    return Response(tool_json(tool))


class ToolList(ApiView):
    @operation("tools_list", ListToolsQuery, scope=Scope.READ, response=list[ToolJSON])
    def get(self, request: Request) -> HttpResponse:
        """List tools."""
        query = read_query(request, ListToolsQuery)
        every = tools_of(request)
        found = page(matching_tools(every, query), query, cursors=every, prefix="tool")
        return Response([tool_json(tool) for tool in found])

    @operation("tools_create", scope=Scope.WRITE, body=UpsertToolBody, response=ToolJSON)
    def post(self, request: Request) -> HttpResponse:
        """Create a tool, or update the one with the same name."""
        return save_tool(request)

    @operation("tools_upsert", scope=Scope.WRITE, body=UpsertToolBody, response=ToolJSON)
    def put(self, request: Request) -> HttpResponse:
        """Create a tool, or update the one with the same name."""
        return save_tool(request)


class ToolCount(ApiView):
    @operation("tools_count", CountToolsQuery, scope=Scope.READ, response=int)
    def get(self, request: Request) -> HttpResponse:
        """Count tools."""
        query = read_query(request, CountToolsQuery)
        return Response(matching_tools(tools_of(request), query).count())


class SearchTools(ApiView):
    @operation("tools_search", scope=Scope.READ, body=SearchToolsBody, response=list[FoundToolJSON])
    def post(self, request: Request) -> HttpResponse:
        """Search the names and descriptions of tools for words."""
        body = read_body(request, SearchToolsBody)
        rows = tools_of(request).with_tags(body.get("tags") or [])
        if types := body.get("tool_types"):
            rows = rows.filter(tool_type__in=types)
        found = rows.matching(body.get("query") or "")[: body["limit"]]
        return Response(found_tools_json(list(found)))


class AddBaseTools(ApiView):
    @operation("tools_add_base_tools", scope=Scope.WRITE, response=list[ToolJSON])
    def post(self, request: Request) -> HttpResponse:
        """Insert the built-in tools that the organization lacks, and list them all."""
        insert_built_in_tools(key_of(request).organization)
        rows = tools_of(request).filter(name__in=ALL_BUILT_IN).order_by("name")
        return Response([tool_json(tool) for tool in rows])


class RunSource(ApiView):
    # Not in a transaction: a tool may run for long.
    @operation(
        "tools_run",
        scope=Scope.WRITE,
        idempotency="none",
        body=RunSourceBody,
        response=ReturnedJSON,
    )
    def post(self, request: Request) -> HttpResponse:
        """Run the function of a source once; nothing is stored."""
        body = read_body(request, RunSourceBody)
        schema = body.get("json_schema")
        schema = schema or schema_of_source(body["source_code"], body.get("args_json_schema"))
        tool = Tool(
            organization=key_of(request).organization,
            name=body.get("name") or schema.get("name") or "",
            source_code=body["source_code"],
            json_schema=schema,
        )
        variables = {name: str(value) for name, value in (body.get("env_vars") or {}).items()}
        call = run_by_hand(tool, body["args"], by=actor_of(request), variables=variables)
        return Response(returned_json(tool.name, wait_for(request, call)))


class ToolDetail(ApiView):
    @operation("tools_retrieve", scope=Scope.READ, response=ToolJSON)
    def get(self, request: Request, tool_id: str) -> HttpResponse:
        """Retrieve a tool."""
        return Response(tool_json(find(tools_of(request), tool_id)))

    @operation("tools_update", scope=Scope.WRITE, body=UpdateToolBody, response=ToolJSON)
    def patch(self, request: Request, tool_id: str) -> HttpResponse:
        """Update a tool. A new source brings a new schema, unless that is given too."""
        tool = find(tools_of(request), tool_id)
        changes = read_body(request, UpdateToolBody)
        return Response(tool_json(update_tool(tool, by=actor_of(request), **changes)))

    @operation("tools_delete", scope=Scope.WRITE)
    def delete(self, request: Request, tool_id: str) -> HttpResponse:
        """Delete a tool, also from the agents that have it."""
        delete_tool(find(tools_of(request), tool_id), by=actor_of(request))
        return Response(None)


class AgentToolList(ApiView):
    @operation("agents_tools_list", AgentToolsQuery, scope=Scope.READ, response=list[ToolJSON])
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        """List an agent's tools."""
        query = read_query(request, AgentToolsQuery)
        agent = find(agents_of(request), agent_id)
        rows = tools_of(request).filter(agent_links__agent=agent)
        found = page(rows, query, cursors=tools_of(request), prefix="tool")
        return Response([tool_json(tool) for tool in found])


class AttachTool(ApiView):
    @operation("agents_tools_attach", scope=Scope.WRITE, response=AgentJSON | None)
    def patch(self, request: Request, agent_id: str, tool_id: str) -> HttpResponse:
        """Attach a tool to an agent. Clients 1.x get null, as from V1."""
        agent = find(agents_of(request), agent_id)
        tool = find(tools_of(request), tool_id)
        warn_of_unavailable(request, [tool])
        agent = attach_tool(agent, tool, by=actor_of(request))
        return Response(None) if is_client_1(request) else respond(request, agent)


class DetachTool(ApiView):
    @operation("agents_tools_detach", scope=Scope.WRITE, response=AgentJSON | None)
    def patch(self, request: Request, agent_id: str, tool_id: str) -> HttpResponse:
        """Detach a tool from an agent. Clients 1.x get null, as from V1."""
        agent = find(agents_of(request), agent_id)
        tool = find(tools_of(request), tool_id)
        agent = detach_tool(agent, tool, by=actor_of(request))
        return Response(None) if is_client_1(request) else respond(request, agent)


class RunAgentTool(ApiView):
    @operation(
        "agents_tools_run",
        scope=Scope.WRITE,
        idempotency="none",
        body=RunToolBody,
        response=ToolResultJSON,
    )
    def post(self, request: Request, agent_id: str, tool_name: str) -> HttpResponse:
        """Run one of an agent's tools once, in its default conversation."""
        body = read_body(request, RunToolBody, required=False)
        agent = find(agents_of(request), agent_id)
        tool = tools_of(request).of_agent(agent).filter(name=tool_name).first()
        if tool is None:
            raise NotFound(f"Tool {tool_name!r} not found on agent '{agent_id}'")
        conversation: Conversation = conversations_of(request).get(agent=agent, is_default=True)
        call = run_by_hand(tool, body["args"], by=actor_of(request), conversation=conversation)
        return Response(tool_result_json(wait_for(request, call)))
