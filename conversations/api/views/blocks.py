"""Blocks."""

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.memory.blocks import create_block, delete_block, write_block
from ...models import Agent, Block, Scope
from ..auth import actor_of, key_of
from ..http.etags import IF_MATCH, IF_NONE_MATCH, expected_version, tagged_by_version
from ..http.filters import matching_blocks
from ..http.pagination import page
from ..http.validation import read_body, read_query
from ..schema import operation
from ..serializers.agents import BlockAgentsQuery
from ..serializers.blocks import CountBlocksQuery, CreateBlockBody, ListBlocksQuery, UpdateBlockBody
from ..shapes.agents import AgentJSON, agents_json, with_relations
from ..shapes.blocks import BlockJSON, block_json
from .agents import relations_asked
from .base import ApiView
from .finders import blocks_of, find


def tagged_block(request: Request, block: Block) -> HttpResponse:
    """Respond with a block and its ETag."""
    return tagged_by_version(request, block_json(block), block.version)


def edit_block(request: Request, block: Block) -> HttpResponse:
    """Update a block with the body, based on the version that `If-Match` names."""
    changes = read_body(request, UpdateBlockBody)
    version = expected_version(request)
    block = write_block(block, by=actor_of(request), expected_version=version, **changes)
    return tagged_block(request, block)


class BlockList(ApiView):
    @operation("blocks_list", ListBlocksQuery, scope=Scope.READ, response=list[BlockJSON])
    def get(self, request: Request) -> HttpResponse:
        """List blocks."""
        query = read_query(request, ListBlocksQuery)
        every = Block.objects.in_organization(key_of(request).organization_id)
        found = page(matching_blocks(every, query), query, cursors=every, prefix="block")
        return Response([block_json(row) for row in found])

    @operation("blocks_create", scope=Scope.WRITE, body=CreateBlockBody, response=BlockJSON)
    def post(self, request: Request) -> HttpResponse:
        """Create a block."""
        fields = read_body(request, CreateBlockBody)
        block = create_block(key_of(request).organization, by=actor_of(request), **fields)
        return Response(block_json(block))


class BlockCount(ApiView):
    @operation("blocks_count", CountBlocksQuery, scope=Scope.READ, response=int)
    def get(self, request: Request) -> HttpResponse:
        """Count blocks."""
        query = read_query(request, CountBlocksQuery)
        every = Block.objects.in_organization(key_of(request).organization_id)
        return Response(matching_blocks(every, query).count())


class BlockDetail(ApiView):
    @operation("blocks_retrieve", IF_NONE_MATCH, scope=Scope.READ, response=BlockJSON)
    def get(self, request: Request, block_id: str) -> HttpResponse:
        """Retrieve a block."""
        return tagged_block(request, find(blocks_of(request), block_id))

    @operation(
        "blocks_update", IF_MATCH, scope=Scope.WRITE, body=UpdateBlockBody, response=BlockJSON
    )
    def patch(self, request: Request, block_id: str) -> HttpResponse:
        """Update a block."""
        return edit_block(request, find(blocks_of(request), block_id))

    @operation("blocks_delete", IF_MATCH, scope=Scope.WRITE)
    def delete(self, request: Request, block_id: str) -> HttpResponse:
        """Delete a block."""
        block = find(blocks_of(request), block_id)
        delete_block(block, by=actor_of(request), expected_version=expected_version(request))
        return Response(None)


class BlockAgents(ApiView):
    @operation("blocks_agents", BlockAgentsQuery, scope=Scope.READ, response=list[AgentJSON])
    def get(self, request: Request, block_id: str) -> HttpResponse:
        """List the agents that a block is attached to."""
        block = find(blocks_of(request), block_id)
        query = read_query(request, BlockAgentsQuery)
        every = Agent.objects.in_organization(key_of(request).organization_id)
        relations = relations_asked(request, query)
        rows = with_relations(every.live().filter(block_links__block=block), relations)
        found = page(rows, query, cursors=every, prefix="agent")
        return Response(agents_json(found, relations))
