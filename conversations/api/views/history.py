from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from ...domain.history import change_between, redo, restore_revision, undo
from ..auth import author_of
from ..etags import IF_MATCH, expected_version, tagged_block
from ..filters import matching_revisions
from ..pagination import page_by_number
from ..requests import read_body, read_query
from ..serializers.blocks import BlockSerializer
from ..serializers.history import (
    ChangeQuery,
    ChangeSerializer,
    ListRevisionsQuery,
    ReasonBody,
    RestoreRevisionBody,
    RevisionSerializer,
)
from .lookups import find_block


class RevisionList(APIView):
    """A block's history, newest first."""

    @extend_schema(
        operation_id="blocks_revisions",
        parameters=[ListRevisionsQuery],
        responses=RevisionSerializer(many=True),
    )
    def get(self, request, block_id):
        block = find_block(request, block_id)
        query = read_query(request, ListRevisionsQuery)
        found = matching_revisions(block.revisions.all(), query)
        return Response(RevisionSerializer(page_by_number(found, query), many=True).data)


class BlockChange(APIView):
    """What changed between two revisions of a block."""

    @extend_schema(operation_id="blocks_diff", parameters=[ChangeQuery], responses=ChangeSerializer)
    def get(self, request, block_id):
        block = find_block(request, block_id)
        query = read_query(request, ChangeQuery)
        change = change_between(block, query.get("older"), query.get("newer"))
        return Response(ChangeSerializer(change).data)


class UndoBlock(APIView):
    @extend_schema(
        operation_id="blocks_undo",
        parameters=[IF_MATCH],
        request=ReasonBody,
        responses=BlockSerializer,
    )
    def post(self, request, block_id):
        block = find_block(request, block_id)
        body = read_body(request, ReasonBody, required=False)
        version = expected_version(request)
        block = undo(block, by=author_of(request), expected_version=version, **body)
        return tagged_block(request, block)


class RedoBlock(APIView):
    @extend_schema(
        operation_id="blocks_redo",
        parameters=[IF_MATCH],
        request=ReasonBody,
        responses=BlockSerializer,
    )
    def post(self, request, block_id):
        block = find_block(request, block_id)
        body = read_body(request, ReasonBody, required=False)
        version = expected_version(request)
        block = redo(block, by=author_of(request), expected_version=version, **body)
        return tagged_block(request, block)


class RestoreBlock(APIView):
    @extend_schema(
        operation_id="blocks_restore",
        parameters=[IF_MATCH],
        request=RestoreRevisionBody,
        responses=BlockSerializer,
    )
    def post(self, request, block_id):
        block = find_block(request, block_id)
        body = read_body(request, RestoreRevisionBody)
        version = expected_version(request)
        by = author_of(request)
        block = restore_revision(block, by=by, expected_version=version, **body)
        return tagged_block(request, block)
