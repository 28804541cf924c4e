"""The life of a conversation's isolated blocks, one label at a time."""

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from ...domain.blocks import write_block
from ...domain.drift import (
    compare,
    preview_promotion,
    preview_rebase,
    preview_reset,
    promote,
    rebase,
    reset,
)
from ...domain.isolation import isolate_label, release_label
from ...domain.memory import effective_blocks
from ...domain.reading import effective_blocks_at, moment_of
from ..auth import author_of
from ..requests import read_body, read_query
from ..serializers.blocks import UpdateBlockBody
from ..serializers.history import EffectiveBlocksQuery
from ..serializers.isolated_blocks import (
    ComparisonSerializer,
    EffectiveBlockSerializer,
    IsolateBody,
    PromoteBody,
    PromotionSerializer,
    RebaseBody,
    RebaseSerializer,
    ResetBody,
    represent_promotion,
    represent_rebase,
)
from .lookups import find_conversation


def respond(effective) -> Response:
    return Response(effective and EffectiveBlockSerializer(effective).data)


class ConversationBlocks(APIView):
    """What a conversation reads, in prompt order; with `at`, what it read then."""

    @extend_schema(
        operation_id="conversations_blocks",
        parameters=[EffectiveBlocksQuery],
        responses=EffectiveBlockSerializer(many=True),
    )
    def get(self, request, conversation_id):
        conversation = find_conversation(request, conversation_id)
        at = read_query(request, EffectiveBlocksQuery).get("at")
        if at is None:
            blocks = effective_blocks(conversation)
        else:
            blocks = effective_blocks_at(conversation, moment_of(conversation, at))
        return Response(EffectiveBlockSerializer(blocks, many=True).data)


class IsolatedBlockDetail(APIView):
    @extend_schema(
        operation_id="conversations_isolate",
        request=IsolateBody,
        responses=EffectiveBlockSerializer,
    )
    def put(self, request, conversation_id, label):
        conversation = find_conversation(request, conversation_id)
        body = read_body(request, IsolateBody, required=False)
        return respond(isolate_label(conversation, label, by=author_of(request), **body))

    @extend_schema(
        operation_id="conversations_edit_isolated",
        request=UpdateBlockBody,
        responses=EffectiveBlockSerializer,
    )
    def patch(self, request, conversation_id, label):
        conversation = find_conversation(request, conversation_id)
        block = compare(conversation, label).isolation.block
        write_block(block, by=author_of(request), **read_body(request, UpdateBlockBody))
        return respond(compare(conversation, label).effective)

    @extend_schema(
        operation_id="conversations_release",
        responses=EffectiveBlockSerializer(allow_null=True),
    )
    def delete(self, request, conversation_id, label):
        conversation = find_conversation(request, conversation_id)
        return respond(release_label(conversation, label, by=author_of(request)))


class CompareIsolatedBlock(APIView):
    @extend_schema(operation_id="conversations_diff", responses=ComparisonSerializer)
    def get(self, request, conversation_id, label):
        comparison = compare(find_conversation(request, conversation_id), label)
        return Response(ComparisonSerializer(comparison).data)


class PromoteIsolatedBlock(APIView):
    @extend_schema(
        operation_id="conversations_promote", request=PromoteBody, responses=PromotionSerializer
    )
    def post(self, request, conversation_id, label):
        conversation = find_conversation(request, conversation_id)
        body = read_body(request, PromoteBody, required=False)
        if body["dry_run"]:
            promotion = preview_promotion(conversation, label, force=body["force"])
        else:
            promotion = promote(conversation, label, by=author_of(request), force=body["force"])
        return Response(represent_promotion(promotion, dry_run=body["dry_run"]))


class ResetIsolatedBlock(APIView):
    @extend_schema(
        operation_id="conversations_reset", request=ResetBody, responses=EffectiveBlockSerializer
    )
    def post(self, request, conversation_id, label):
        conversation = find_conversation(request, conversation_id)
        if read_body(request, ResetBody, required=False)["dry_run"]:
            return respond(preview_reset(conversation, label))
        return respond(reset(conversation, label, by=author_of(request)))


class RebaseIsolatedBlock(APIView):
    @extend_schema(
        operation_id="conversations_rebase", request=RebaseBody, responses=RebaseSerializer
    )
    def post(self, request, conversation_id, label):
        conversation = find_conversation(request, conversation_id)
        body = read_body(request, RebaseBody, required=False)
        resolution = body.get("resolution")
        if body["dry_run"]:
            effective = preview_rebase(conversation, label, resolution=resolution)
        else:
            effective = rebase(conversation, label, by=author_of(request), resolution=resolution)
        return Response(represent_rebase(effective, dry_run=body["dry_run"]))
