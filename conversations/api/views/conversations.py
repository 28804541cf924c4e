"""Conversations."""

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.conversations.conversations import (
    create_conversation,
    delete_conversation,
    fork_conversation,
    restore_conversation,
    update_conversation,
)
from ...domain.errors import NotFound
from ...domain.memory.prompt import preview_prompt, recompile
from ...ids import is_id
from ...models import Conversation, Scope
from ..auth import actor_of, key_of
from ..http.etags import IF_MATCH, IF_NONE_MATCH, expected_version, tagged
from ..http.filters import matching_conversations
from ..http.pagination import Order, page
from ..http.validation import read_body, read_query
from ..schema import operation
from ..serializers.conversations import (
    ConversationAgentBody,
    CreateConversationBody,
    CreateConversationQuery,
    ForkBody,
    ForkQuery,
    ListConversationsQuery,
    RecompileQuery,
    UpdateConversationBody,
)
from ..shapes.conversations import ConversationJSON, conversations_json
from .base import ApiView
from .finders import agents_of, conversations_of, find, messages_of, resolve_conversation

ORDER_FIELDS = {
    "created_at": "created_at",
    "last_message_at": "last_message_at",
    "last_run_completion": "last_run_completed_at",
}


def respond(request: Request, conversation: Conversation) -> HttpResponse:
    """Respond with a conversation and its ETag."""
    return tagged(request, conversations_json([conversation])[0], conversation.version)


class ConversationList(ApiView):
    @operation(
        "conversations_list",
        ListConversationsQuery,
        scope=Scope.READ,
        response=list[ConversationJSON],
    )
    def get(self, request: Request) -> HttpResponse:
        """List conversations."""
        query = read_query(request, ListConversationsQuery)
        every = Conversation.objects.in_organization(key_of(request).organization_id)
        # Most pages are of one agent, so a prefetch loads it once.
        rows = matching_conversations(every, query).prefetch_related("agent")
        field = ORDER_FIELDS[query["order_by"]]
        order = Order(field, query["order"] == "desc", nullable=field != "created_at")
        found = page(rows, query, cursors=every, prefix="conv", order=order)
        return Response(conversations_json(found))

    @operation(
        "conversations_create",
        CreateConversationQuery,
        scope=Scope.CONVERSE,
        body=CreateConversationBody,
        response=ConversationJSON,
    )
    def post(self, request: Request) -> HttpResponse:
        """Create a conversation."""
        query = read_query(request, CreateConversationQuery)
        fields = read_body(request, CreateConversationBody, required=False)
        agent_id = query["agent_id"]
        # V1 responds with 404 to a malformed agent id here, not with 422.
        agent = None
        if is_id("agent", agent_id):
            agent = agents_of(request).get_or_none(pk=agent_id)
        if agent is None:
            raise NotFound(f"Agent not found: agent_id {agent_id!r}, expected agent-<uuid4>")
        labels = fields.pop("isolated_block_labels", None) or []
        by = actor_of(request)
        conversation = create_conversation(agent, by=by, isolated_labels=labels, **fields)
        return respond(request, conversation)


class ConversationDetail(ApiView):
    @operation("conversations_retrieve", IF_NONE_MATCH, scope=Scope.READ, response=ConversationJSON)
    def get(self, request: Request, conversation_id: str) -> HttpResponse:
        """Retrieve a conversation."""
        return respond(request, find(conversations_of(request), conversation_id))

    @operation(
        "conversations_update",
        IF_MATCH,
        scope=Scope.CONVERSE,
        body=UpdateConversationBody,
        response=ConversationJSON,
    )
    def patch(self, request: Request, conversation_id: str) -> HttpResponse:
        """Update a conversation."""
        conversation = find(conversations_of(request), conversation_id)
        changes = read_body(request, UpdateConversationBody)
        by, version = actor_of(request), expected_version(request)
        conversation = update_conversation(conversation, by=by, expected_version=version, **changes)
        return respond(request, conversation)

    @operation("conversations_delete", IF_MATCH, scope=Scope.CONVERSE)
    def delete(self, request: Request, conversation_id: str) -> HttpResponse:
        """Delete a conversation."""
        conversation = find(conversations_of(request), conversation_id)
        version = expected_version(request)
        delete_conversation(conversation, by=actor_of(request), expected_version=version)
        return Response(None)


class RestoreConversation(ApiView):
    @operation("conversations_restore", scope=Scope.CONVERSE, response=ConversationJSON)
    def post(self, request: Request, conversation_id: str) -> HttpResponse:
        """Restore a deleted conversation."""
        every = Conversation.objects.in_organization(key_of(request).organization_id)
        conversation = find(every, conversation_id)
        return respond(request, restore_conversation(conversation, by=actor_of(request)))


class ForkConversation(ApiView):
    @operation(
        "conversations_fork",
        ForkQuery,
        scope=Scope.CONVERSE,
        body=ForkBody,
        response=ConversationJSON,
    )
    def post(self, request: Request, conversation_id: str) -> HttpResponse:
        """Fork a conversation."""
        # The clients send a query; the body takes precedence.
        query = read_query(request, ForkQuery) | read_body(request, ForkBody, required=False)
        source = resolve_conversation(request, conversation_id, query.get("agent_id"))
        message_id = query.get("message_id")
        at = find(messages_of(request), message_id) if message_id else None
        fork = fork_conversation(
            source,
            by=actor_of(request),
            at=at,
            hidden=query["hidden"],
            choices=query.get("isolated_blocks"),
        )
        return respond(request, fork)


class RecompileConversation(ApiView):
    @operation(
        "conversations_recompile",
        RecompileQuery,
        scope=Scope.CONVERSE,
        body=ConversationAgentBody,
        response=str,
    )
    def post(self, request: Request, conversation_id: str) -> HttpResponse:
        """Recompile the system prompt of a conversation."""
        query = read_query(request, RecompileQuery)
        body = read_body(request, ConversationAgentBody, required=False)
        agent_id = query.get("agent_id") or body.get("agent_id")
        conversation = resolve_conversation(request, conversation_id, agent_id)
        if query["dry_run"]:
            return Response(preview_prompt(conversation).text)
        return Response(recompile(conversation))
