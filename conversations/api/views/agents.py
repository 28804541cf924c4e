"""Agents and what is done with them."""

from collections.abc import Iterable

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.conversations.agents import (
    create_agent,
    delete_agent,
    set_tool_approval,
    update_agent,
)
from ...domain.conversations.conversations import clear_conversation
from ...domain.conversations.messages import text_message
from ...domain.memory.prompt import preview_prompt, recompile
from ...domain.tools.catalog import named_tools
from ...domain.tools.definitions import BASE_TOOLS, UNAVAILABLE_TYPES
from ...domain.turns.context_window import context_window
from ...models import Agent, Scope, Tool
from ..auth import actor_of, key_of
from ..http.errors import InvalidRequest
from ..http.filters import matching_agents
from ..http.pagination import Order, page
from ..http.validation import Query, read_body, read_query
from ..http.warnings import warn
from ..schema import operation
from ..serializers.agents import (
    NO_GROUPS,
    ApprovalBody,
    ApprovalQuery,
    ContextQuery,
    CountAgentsQuery,
    CreateAgentBody,
    IncludeQuery,
    ListAgentsQuery,
    RecompileAgentQuery,
    ResetMessagesBody,
    UpdateAgentBody,
)
from ..shapes.agents import AgentJSON, agents_json, group_json, with_relations
from ..shapes.context import ContextWindowJSON, context_window_json
from .base import ApiView
from .finders import (
    agents_of,
    find,
    find_agent_conversation,
    find_blocks,
    find_folders,
    find_identities,
    find_tools,
    resolve_conversation,
)

ORDER_FIELDS = {
    "created_at": "created_at",
    "updated_at": "updated_at",
    "last_run_completion": "last_run_completed_at",
}


def is_client_1(request: Request) -> bool:
    """Return whether the caller is an official client of version 1.x, which says so."""
    return request.headers.get("X-Stainless-Package-Version", "").startswith("1.")


def relations_asked(request: Request, query: Query) -> set[str] | None:
    """Return the relations to fill, or None for all of them.

    Without `include`, V1 leaves them empty for clients 1.x, which send their version in a header.
    """
    if "include" in query:
        return set(query["include"])
    return set() if is_client_1(request) else None


def respond(request: Request, agent: Agent) -> Response:
    """Respond with an agent."""
    agent = with_relations(agents_of(request)).get(pk=agent.pk)
    return Response(agents_json([agent])[0])


def warn_of_unavailable(request: Request, tools: Iterable[Tool]) -> None:
    """Warn of tools that are attached, but that this server never runs."""
    for tool in tools:
        if tool.name in UNAVAILABLE_TYPES:
            warn(request, f"{tool.name} is attached, but this server does not run it")


class AgentList(ApiView):
    @operation("agents_list", ListAgentsQuery, scope=Scope.READ, response=list[AgentJSON])
    def get(self, request: Request) -> HttpResponse:
        """List agents."""
        query = read_query(request, ListAgentsQuery)
        every = Agent.objects.in_organization(key_of(request).organization_id)
        field = ORDER_FIELDS[query["sort_by"] if "sort_by" in query else query["order_by"]]
        ascending = query.get("ascending", query["order"] == "asc")
        order = Order(field, not ascending, nullable=field == "last_run_completed_at")
        relations = relations_asked(request, query)
        rows = with_relations(matching_agents(every, query), relations)
        found = page(rows, query, cursors=every, prefix="agent", order=order)
        return Response(agents_json(found, relations))

    @operation("agents_create", scope=Scope.WRITE, body=CreateAgentBody, response=AgentJSON)
    def post(self, request: Request) -> HttpResponse:
        """Create an agent."""
        body = read_body(request, CreateAgentBody)
        fields = _verb_fields(request, body)
        base = BASE_TOOLS if fields.pop("include_base_tools") else []
        names = [*base, *fields.pop("tool_names", [])]
        organization = key_of(request).organization
        tools = [*named_tools(organization, names), *fields.pop("tools", [])]
        has_group = fields.pop("enable_sleeptime", False)
        initial = [
            text_message(message["role"], message["content"])
            for message in fields.pop("initial_message_sequence", [])
        ]
        agent = create_agent(
            organization,
            by=actor_of(request),
            tools=tools,
            initial_messages=initial,
            **fields,
        )
        warn_of_unavailable(request, tools)
        response = respond(request, agent)
        if has_group:
            warn(request, f"enable_sleeptime is ignored: {NO_GROUPS}")
            response.data["multi_agent_group"] = group_json(agent)
        return response


class AgentCount(ApiView):
    @operation("agents_count", CountAgentsQuery, scope=Scope.READ, response=int)
    def get(self, request: Request) -> HttpResponse:
        """Count agents."""
        query = read_query(request, CountAgentsQuery)
        every = Agent.objects.in_organization(key_of(request).organization_id)
        return Response(matching_agents(every, query).count())


class AgentDetail(ApiView):
    @operation("agents_retrieve", IncludeQuery, scope=Scope.READ, response=AgentJSON)
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        """Retrieve an agent."""
        query = read_query(request, IncludeQuery)
        relations = relations_asked(request, query)
        agent = find(with_relations(agents_of(request), relations), agent_id)
        return Response(agents_json([agent], relations)[0])

    @operation("agents_update", scope=Scope.WRITE, body=UpdateAgentBody, response=AgentJSON)
    def patch(self, request: Request, agent_id: str) -> HttpResponse:
        """Update an agent; lists of ids and tags replace the whole list."""
        agent = find(agents_of(request), agent_id)
        changes = _verb_fields(request, read_body(request, UpdateAgentBody))
        warn_of_unavailable(request, changes.get("tools", []))
        return respond(request, update_agent(agent, by=actor_of(request), **changes))

    @operation("agents_delete", scope=Scope.WRITE, response=dict[str, str])
    def delete(self, request: Request, agent_id: str) -> HttpResponse:
        """Delete an agent."""
        delete_agent(find(agents_of(request), agent_id), by=actor_of(request))
        return Response({"message": f"Agent id={agent_id} successfully deleted"})


class ToolApproval(ApiView):
    @operation(
        "agents_tools_update_approval",
        ApprovalQuery,
        scope=Scope.WRITE,
        body=ApprovalBody,
        response=AgentJSON,
    )
    def patch(self, request: Request, agent_id: str, tool_name: str) -> HttpResponse:
        """Set whether each call of a tool needs approval.

        `requires_approval` is a query parameter or a field of the body.
        """
        agent = find(agents_of(request), agent_id)
        body = read_body(request, ApprovalBody, required=False)
        required = (read_query(request, ApprovalQuery) | body).get("requires_approval")
        if required is None:
            raise InvalidRequest("requires_approval: field required")
        by = actor_of(request)
        return respond(request, set_tool_approval(agent, tool_name, required, by=by))


class ResetMessages(ApiView):
    @operation(
        "agents_messages_reset", scope=Scope.CONVERSE, body=ResetMessagesBody, response=AgentJSON
    )
    def patch(self, request: Request, agent_id: str) -> HttpResponse:
        """Clear the default conversation; its messages can be restored until purged."""
        read_body(request, ResetMessagesBody, required=False)
        conversation = resolve_conversation(request, agent_id)
        clear_conversation(conversation, by=actor_of(request))
        return respond(request, conversation.agent)


class AgentContext(ApiView):
    @operation("agents_context", ContextQuery, scope=Scope.READ, response=ContextWindowJSON)
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        """Retrieve an agent's context window."""
        query = read_query(request, ContextQuery)
        agent = find(agents_of(request), agent_id)
        conversation = find_agent_conversation(request, agent, query.get("conversation_id"))
        return Response(context_window_json(context_window(conversation)))


class RecompileAgent(ApiView):
    @operation("agents_recompile", RecompileAgentQuery, scope=Scope.CONVERSE, response=str)
    def post(self, request: Request, agent_id: str) -> HttpResponse:
        """Recompile the system prompt of the default conversation."""
        query = read_query(request, RecompileAgentQuery)
        conversation = resolve_conversation(request, agent_id)
        if query["dry_run"]:
            return Response(preview_prompt(conversation).text)
        return Response(recompile(conversation))


def _verb_fields(request: Request, body: Query) -> Query:
    """Return the body with `blocks`, `tools` and `identities` in place of their ids."""
    fields = dict(body)
    if "block_ids" in fields:
        fields["blocks"] = find_blocks(request, fields.pop("block_ids"))
    if "tool_ids" in fields:
        fields["tools"] = find_tools(request, fields.pop("tool_ids"))
    if "source_ids" in fields:
        fields.setdefault("folder_ids", fields.pop("source_ids"))
    if "folder_ids" in fields:
        fields["folders"] = find_folders(request, fields.pop("folder_ids"))
    if "identity_ids" in fields:
        fields["identities"] = find_identities(request, fields.pop("identity_ids"))
    return fields
