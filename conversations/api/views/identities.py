"""Identities, and attaching them to agents and blocks."""

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.conversations.identities import (
    attach_identity,
    attach_identity_to_block,
    create_identity,
    delete_identity,
    detach_identity,
    detach_identity_from_block,
    update_identity,
    upsert_identity,
)
from ...models import Agent, Block, Identity, Scope
from ..auth import actor_of, key_of
from ..http.filters import matching_identities
from ..http.pagination import page
from ..http.validation import Query, read_array, read_body, read_query
from ..schema import operation
from ..serializers.agents import BlockAgentsQuery
from ..serializers.identities import (
    CreateIdentityBody,
    IdentityBlocksQuery,
    IdentityProperty,
    ListIdentitiesQuery,
    Properties,
    UpdateIdentityBody,
)
from ..shapes.agents import AgentJSON, agents_json, with_relations
from ..shapes.blocks import BlockJSON, block_json
from ..shapes.identities import IdentityJSON, identity_json
from .agents import relations_asked
from .base import ApiView
from .finders import agents_of, blocks_of, find, find_agents, find_blocks, identities_of


def respond(request: Request, identity: Identity) -> Response:
    """Respond with an identity."""
    return Response(identity_json(identities_of(request).with_links().get(pk=identity.pk)))


def _verb_fields(request: Request, body: Query) -> dict[str, Any]:
    """Return the body with `agents` and `blocks` in place of their ids."""
    fields = dict(body)
    if "agent_ids" in fields:
        fields["agents"] = find_agents(request, fields.pop("agent_ids"))
    if "block_ids" in fields:
        fields["blocks"] = find_blocks(request, fields.pop("block_ids"))
    return fields


class IdentityList(ApiView):
    @operation(
        "identities_list", ListIdentitiesQuery, scope=Scope.READ, response=list[IdentityJSON]
    )
    def get(self, request: Request) -> HttpResponse:
        """List identities."""
        query = read_query(request, ListIdentitiesQuery)
        every = Identity.objects.in_organization(key_of(request).organization_id)
        rows = matching_identities(every, query).with_links()
        found = page(rows, query, cursors=every, prefix="identity")
        return Response([identity_json(row) for row in found])

    @operation(
        "identities_create", scope=Scope.WRITE, body=CreateIdentityBody, response=IdentityJSON
    )
    def post(self, request: Request) -> HttpResponse:
        """Create an identity."""
        fields = _verb_fields(request, read_body(request, CreateIdentityBody))
        identity = create_identity(key_of(request).organization, by=actor_of(request), **fields)
        return respond(request, identity)

    @operation(
        "identities_upsert", scope=Scope.WRITE, body=CreateIdentityBody, response=IdentityJSON
    )
    def put(self, request: Request) -> HttpResponse:
        """Create an identity, or update the one with its `identifier_key`.

        Lists replace those it has.
        """
        fields = _verb_fields(request, read_body(request, CreateIdentityBody))
        identity = upsert_identity(key_of(request).organization, by=actor_of(request), **fields)
        return respond(request, identity)


class IdentityCount(ApiView):
    @operation("identities_count", scope=Scope.READ, response=int)
    def get(self, request: Request) -> HttpResponse:
        """Count identities."""
        return Response(identities_of(request).count())


class IdentityDetail(ApiView):
    @operation("identities_retrieve", scope=Scope.READ, response=IdentityJSON)
    def get(self, request: Request, identity_id: str) -> HttpResponse:
        """Retrieve an identity."""
        return Response(identity_json(find(identities_of(request).with_links(), identity_id)))

    @operation(
        "identities_update", scope=Scope.WRITE, body=UpdateIdentityBody, response=IdentityJSON
    )
    def patch(self, request: Request, identity_id: str) -> HttpResponse:
        """Update an identity; agents, blocks and properties are added to those it has."""
        changes = read_body(request, UpdateIdentityBody)
        identity = find(identities_of(request), identity_id)
        by, fields = actor_of(request), _verb_fields(request, changes)
        return respond(request, update_identity(identity, by=by, **fields))

    @operation("identities_delete", scope=Scope.WRITE)
    def delete(self, request: Request, identity_id: str) -> HttpResponse:
        """Delete an identity."""
        delete_identity(find(identities_of(request), identity_id), by=actor_of(request))
        return Response(None)


class IdentityProperties(ApiView):
    @operation(
        "identities_properties_upsert",
        scope=Scope.WRITE,
        body=IdentityProperty(many=True),
        response=IdentityJSON,
    )
    def put(self, request: Request, identity_id: str) -> HttpResponse:
        """Replace the properties of an identity."""
        properties = read_array(request, Properties(), "properties")
        identity = find(identities_of(request), identity_id)
        identity = update_identity(
            identity, by=actor_of(request), replace=True, properties=properties
        )
        return respond(request, identity)


class IdentityAgents(ApiView):
    @operation(
        "identities_agents_list", BlockAgentsQuery, scope=Scope.READ, response=list[AgentJSON]
    )
    def get(self, request: Request, identity_id: str) -> HttpResponse:
        """List the agents of an identity."""
        identity = find(identities_of(request), identity_id)
        query = read_query(request, BlockAgentsQuery)
        every = Agent.objects.in_organization(key_of(request).organization_id)
        relations = relations_asked(request, query)
        rows = with_relations(every.live().filter(identity_links__identity=identity), relations)
        found = page(rows, query, cursors=every, prefix="agent")
        return Response(agents_json(found, relations))


class IdentityBlocks(ApiView):
    @operation(
        "identities_blocks_list", IdentityBlocksQuery, scope=Scope.READ, response=list[BlockJSON]
    )
    def get(self, request: Request, identity_id: str) -> HttpResponse:
        """List the blocks of an identity."""
        identity = find(identities_of(request), identity_id)
        query = read_query(request, IdentityBlocksQuery)
        every = Block.objects.in_organization(key_of(request).organization_id)
        rows = every.live().filter(identity_links__identity=identity)
        found = page(rows, query, cursors=every, prefix="block")
        return Response([block_json(row) for row in found])


class AttachIdentity(ApiView):
    @operation("agents_identities_attach", scope=Scope.WRITE)
    def patch(self, request: Request, agent_id: str, identity_id: str) -> HttpResponse:
        """Attach an identity to an agent."""
        agent = find(agents_of(request), agent_id)
        attach_identity(agent, find(identities_of(request), identity_id))
        return Response(None)


class DetachIdentity(ApiView):
    @operation("agents_identities_detach", scope=Scope.WRITE)
    def patch(self, request: Request, agent_id: str, identity_id: str) -> HttpResponse:
        """Detach an identity from an agent."""
        agent = find(agents_of(request), agent_id)
        detach_identity(agent, find(identities_of(request), identity_id))
        return Response(None)


class AttachIdentityToBlock(ApiView):
    @operation("blocks_identities_attach", scope=Scope.WRITE, response=BlockJSON)
    def patch(self, request: Request, block_id: str, identity_id: str) -> HttpResponse:
        """Attach an identity to a block."""
        block = find(blocks_of(request), block_id)
        attach_identity_to_block(block, find(identities_of(request), identity_id))
        return Response(block_json(block))


class DetachIdentityFromBlock(ApiView):
    @operation("blocks_identities_detach", scope=Scope.WRITE, response=BlockJSON)
    def patch(self, request: Request, block_id: str, identity_id: str) -> HttpResponse:
        """Detach an identity from a block."""
        block = find(blocks_of(request), block_id)
        detach_identity_from_block(block, find(identities_of(request), identity_id))
        return Response(block_json(block))
