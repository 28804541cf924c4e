"""A block's revisions: list, compare, undo, redo and restore."""

from collections.abc import Callable

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.memory.revisions import diff_revisions, redo, restore_revision, undo
from ...models import Block, Scope
from ..auth import actor_of
from ..http.etags import IF_MATCH, expected_version
from ..http.filters import matching_revisions
from ..http.pagination import page_by_number
from ..http.validation import Serializer, read_body, read_query
from ..schema import operation
from ..serializers.history import ChangeQuery, ListRevisionsQuery, ReasonBody, RestoreRevisionBody
from ..shapes.blocks import BlockJSON
from ..shapes.history import ChangeJSON, RevisionJSON, change_json, revision_json
from .base import ApiView
from .blocks import tagged_block
from .finders import blocks_of, find


def respond(
    request: Request, verb: Callable[..., Block], block_id: str, body_class: Serializer
) -> HttpResponse:
    """Undo, redo or restore, based on the version that `If-Match` names."""
    block = find(blocks_of(request), block_id)
    body = read_body(request, body_class, required=False)
    by, version = actor_of(request), expected_version(request)
    return tagged_block(request, verb(block, by=by, expected_version=version, **body))


class RevisionList(ApiView):
    @operation(
        "blocks_revisions", ListRevisionsQuery, scope=Scope.READ, response=list[RevisionJSON]
    )
    def get(self, request: Request, block_id: str) -> HttpResponse:
        """List the revisions of a block, newest first."""
        block = find(blocks_of(request), block_id)
        query = read_query(request, ListRevisionsQuery)
        found = matching_revisions(block.revisions.all(), query)
        return Response([revision_json(row) for row in page_by_number(found, query)])


class BlockChange(ApiView):
    @operation("blocks_diff", ChangeQuery, scope=Scope.READ, response=ChangeJSON)
    def get(self, request: Request, block_id: str) -> HttpResponse:
        """Compare two revisions of a block."""
        block = find(blocks_of(request), block_id)
        query = read_query(request, ChangeQuery)
        change = diff_revisions(block, query.get("older"), query.get("newer"))
        return Response(change_json(change))


class UndoBlock(ApiView):
    @operation("blocks_undo", IF_MATCH, scope=Scope.WRITE, body=ReasonBody, response=BlockJSON)
    def post(self, request: Request, block_id: str) -> HttpResponse:
        """Undo the last edit of a block."""
        return respond(request, undo, block_id, ReasonBody)


class RedoBlock(ApiView):
    @operation("blocks_redo", IF_MATCH, scope=Scope.WRITE, body=ReasonBody, response=BlockJSON)
    def post(self, request: Request, block_id: str) -> HttpResponse:
        """Redo the last undone edit of a block."""
        return respond(request, redo, block_id, ReasonBody)


class RestoreBlock(ApiView):
    @operation(
        "blocks_restore", IF_MATCH, scope=Scope.WRITE, body=RestoreRevisionBody, response=BlockJSON
    )
    def post(self, request: Request, block_id: str) -> HttpResponse:
        """Restore a block to one of its revisions."""
        return respond(request, restore_revision, block_id, RestoreRevisionBody)
