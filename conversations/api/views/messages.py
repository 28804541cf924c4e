"""Messages of one conversation or of many."""

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.conversations.search import SEARCHED_ROLES, search_messages
from ...models import Conversation, Message, Scope
from ...models.messages import ConversationMessageQuerySet, MessageQuerySet
from ..auth import key_of
from ..http.errors import Unchangeable
from ..http.filters import matching_messages
from ..http.pagination import Order, page
from ..http.validation import Query, read_body, read_query
from ..schema import operation
from ..serializers.messages import ConversationMessagesQuery, MessagesQuery, SearchBody
from ..shapes.messages import FoundMessageJSON, MessageJSON, found_messages_json, messages_json
from .base import ApiView
from .finders import (
    agents_of,
    find,
    find_agent_conversation,
    messages_of,
    resolve_conversation,
)


def list_conversation(
    conversation: Conversation, query: Query, *, oldest_first: bool = True
) -> HttpResponse:
    """List the messages of a conversation by position, including compacted ones."""
    links = conversation.message_links.select_related("message")
    return list_links(links, query, oldest_first=oldest_first)


def list_links(
    links: ConversationMessageQuerySet,
    query: Query,
    *,
    oldest_first: bool = False,
    speech: bool = True,
) -> HttpResponse:
    """List messages of one conversation, given as links that have positions."""
    found = page(
        matching_messages(links, query, path="message__"),
        query,
        cursors=links,
        prefix="message",
        order=Order("position", query["order"] == "desc", tie="position"),
        id_field="message",
        oldest_first=oldest_first,
    )
    messages = [link.message for link in found]
    types = query["include_return_message_types"]
    return Response(messages_json(messages, types, speech=speech))


def list_messages(request: Request, rows: MessageQuerySet, query: Query) -> HttpResponse:
    """List messages of many conversations by time."""
    every = Message.objects.in_organization(key_of(request).organization_id)
    rows = matching_messages(rows, query)
    found = page(rows, query, cursors=every, prefix="message", oldest_first=True)
    return Response(messages_json(found, query["include_return_message_types"]))


class ConversationMessages(ApiView):
    @operation(
        "conversations_messages_list",
        ConversationMessagesQuery,
        scope=Scope.READ,
        response=list[MessageJSON],
    )
    def get(self, request: Request, conversation_id: str) -> HttpResponse:
        """List the messages of a conversation, including compacted ones.

        The default conversation of an agent is listed like the agent's messages, oldest first.
        """
        query = read_query(request, ConversationMessagesQuery)
        conversation = resolve_conversation(request, conversation_id, query.get("agent_id"))
        # As in V1, the conversation's own id pages from the newest message back.
        oldest_first = conversation_id != conversation.pk
        return list_conversation(conversation, query, oldest_first=oldest_first)


class AgentMessages(ApiView):
    @operation("agents_messages_list", MessagesQuery, scope=Scope.READ, response=list[MessageJSON])
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        """List messages of an agent's conversations, oldest first.

        By default the newest ones. `before` is older and `after` is newer, in either `order`.
        """
        query = read_query(request, MessagesQuery)
        agent = find(agents_of(request), agent_id)
        if "conversation_id" in query:
            return list_conversation(
                find_agent_conversation(request, agent, query["conversation_id"]), query
            )
        return list_messages(request, messages_of(request).filter(agent=agent), query)


class AgentMessage(ApiView):
    @operation("agents_messages_update", scope=Scope.CONVERSE)
    def patch(self, request: Request, agent_id: str, message_id: str) -> HttpResponse:
        """Refuse to change a message, as V1 does."""
        raise Unchangeable(
            "Messages can't be changed. Send a new one, or fork the conversation at the one before"
        )


class MessageList(ApiView):
    @operation("messages_list", MessagesQuery, scope=Scope.READ, response=list[MessageJSON])
    def get(self, request: Request) -> HttpResponse:
        """List messages of all conversations, oldest first.

        By default the newest ones. `before` is older and `after` is newer, in either `order`.
        """
        query = read_query(request, MessagesQuery)
        if "conversation_id" in query:
            return list_conversation(resolve_conversation(request, query["conversation_id"]), query)
        return list_messages(request, messages_of(request), query)


class MessageSearch(ApiView):
    @operation(
        "messages_search", scope=Scope.READ, body=SearchBody, response=list[FoundMessageJSON]
    )
    def post(self, request: Request) -> HttpResponse:
        """Search for messages that contain all words of a query, newest first.

        `search_mode` is ignored: the search is always the full-text search of the database.
        """
        body = read_body(request, SearchBody)
        rows = messages_of(request).filter(role__in=body.get("roles") or SEARCHED_ROLES)
        if agent_id := body.get("agent_id"):
            rows = rows.filter(agent=find(agents_of(request), agent_id))
        if conversation_id := body.get("conversation_id"):
            conversation = resolve_conversation(request, conversation_id, body.get("agent_id"))
            rows = rows.filter(conversations=conversation)
        if body.get("start_date"):
            rows = rows.filter(created_at__gte=body["start_date"])
        if body.get("end_date"):
            rows = rows.filter(created_at__lte=body["end_date"])
        found = list(search_messages(rows, body["query"])[: body["limit"]])
        return Response(found_messages_json(found))


class MessageDetail(ApiView):
    @operation("messages_retrieve", scope=Scope.READ, response=list[MessageJSON])
    def get(self, request: Request, message_id: str) -> HttpResponse:
        """Retrieve a message, which can be several in the format of the API."""
        return Response(messages_json([find(messages_of(request), message_id)]))
