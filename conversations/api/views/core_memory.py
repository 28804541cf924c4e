"""An agent's shared blocks, under the client's name for them."""

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.conversations.agents import attach_block, detach_block
from ...domain.errors import NotFound
from ...models import Agent, Block, Scope
from ...text import is_storable
from ..auth import actor_of
from ..http.etags import IF_MATCH, IF_NONE_MATCH
from ..http.pagination import Order, page
from ..http.validation import read_query
from ..schema import operation
from ..serializers.blocks import AttachedBlocksQuery, UpdateBlockBody
from ..shapes.agents import AgentJSON, MemoryJSON, attached_blocks_json, memory_json
from ..shapes.blocks import BlockJSON, block_json
from .agents import respond
from .base import ApiView
from .blocks import edit_block, tagged_block
from .finders import agents_of, blocks_of, find


class CoreMemory(ApiView):
    @operation("agents_core_memory", scope=Scope.READ, response=MemoryJSON)
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        """Retrieve an agent's memory."""
        agent = find(agents_of(request).with_blocks(), agent_id)
        return Response(memory_json(agent, attached_blocks_json(agent)))


class AgentBlockList(ApiView):
    @operation(
        "agents_blocks_list", AttachedBlocksQuery, scope=Scope.READ, response=list[BlockJSON]
    )
    def get(self, request: Request, agent_id: str) -> HttpResponse:
        """List an agent's blocks in prompt order."""
        query = read_query(request, AttachedBlocksQuery)
        links = find(agents_of(request), agent_id).block_links.select_related("block")
        order = Order("position", query["order"] == "desc")
        found = page(links, query, cursors=links, prefix="block", order=order, id_field="block")
        return Response([block_json(link.block) for link in found])


class AgentBlockDetail(ApiView):
    @operation("agents_blocks_retrieve", IF_NONE_MATCH, scope=Scope.READ, response=BlockJSON)
    def get(self, request: Request, agent_id: str, label: str) -> HttpResponse:
        """Retrieve the block that an agent has for a label."""
        return tagged_block(request, self._find(request, agent_id, label))

    @operation(
        "agents_blocks_update",
        IF_MATCH,
        scope=Scope.WRITE,
        body=UpdateBlockBody,
        response=BlockJSON,
    )
    def patch(self, request: Request, agent_id: str, label: str) -> HttpResponse:
        """Update the block that an agent has for a label."""
        return edit_block(request, self._find(request, agent_id, label))

    def _find(self, request: Request, agent_id: str, label: str) -> Block:
        agent: Agent = find(agents_of(request), agent_id)
        links = agent.block_links.select_related("block")
        link = links.filter(label=label).first() if is_storable(label) else None
        if link is None:
            raise NotFound(f"No block with label {label!r} found for agent '{agent_id}'")
        return link.block


class AttachBlock(ApiView):
    @operation("agents_blocks_attach", scope=Scope.WRITE, response=AgentJSON)
    def patch(self, request: Request, agent_id: str, block_id: str) -> HttpResponse:
        """Attach a block to an agent."""
        agent = find(agents_of(request), agent_id)
        block = find(blocks_of(request), block_id)
        return respond(request, attach_block(agent, block, by=actor_of(request)))


class DetachBlock(ApiView):
    @operation("agents_blocks_detach", scope=Scope.WRITE, response=AgentJSON)
    def patch(self, request: Request, agent_id: str, block_id: str) -> HttpResponse:
        """Detach a block from an agent."""
        agent = find(agents_of(request), agent_id)
        block = find(blocks_of(request), block_id)
        return respond(request, detach_block(agent, block, by=actor_of(request)))
