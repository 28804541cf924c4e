"""The life of a conversation's isolated blocks, one label at a time."""

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from ...domain.memory.drift import (
    compare,
    preview_promotion,
    preview_rebase,
    preview_reset,
    promote,
    rebase,
    reset,
)
from ...domain.memory.effective import EffectiveBlock, effective_blocks
from ...domain.memory.isolation import isolate_label, release_label, restore_label
from ...domain.memory.label_edits import edit_isolated_block
from ...domain.memory.periods import effective_blocks_at, time_of
from ..auth import actor_of
from ..http.etags import (
    IF_MATCH,
    IF_NONE,
    IF_NONE_MATCH,
    expected_version,
    requires_absence,
    tagged,
)
from ..http.validation import read_body, read_query
from ..serializers.blocks import BlockSerializer, UpdateBlockBody
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
    RestoreIsolatedBlockBody,
    represent_promotion,
    represent_rebase,
)
from .base import ApiView
from .finders import find_conversation


def respond(request, effective: EffectiveBlock) -> Response:
    return tagged(request, EffectiveBlockSerializer(effective).data, effective.version)


class ConversationBlocks(ApiView):
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
            blocks = effective_blocks_at(conversation, time_of(conversation, at))
        return Response(EffectiveBlockSerializer(blocks, many=True).data)


class IsolatedBlockDetail(ApiView):
    @extend_schema(
        operation_id="conversations_isolated_block",
        parameters=[IF_NONE_MATCH],
        responses=EffectiveBlockSerializer,
    )
    def get(self, request, conversation_id, label):
        conversation = find_conversation(request, conversation_id)
        return respond(request, compare(conversation, label).effective)

    @extend_schema(
        operation_id="conversations_isolate",
        parameters=[IF_NONE],
        request=IsolateBody,
        responses=EffectiveBlockSerializer,
    )
    def put(self, request, conversation_id, label):
        conversation = find_conversation(request, conversation_id)
        body = read_body(request, IsolateBody, required=False)
        is_new = requires_absence(request)
        by = actor_of(request)
        return respond(
            request, isolate_label(conversation, label, by=by, requires_absence=is_new, **body)
        )

    @extend_schema(
        operation_id="conversations_edit_isolated",
        parameters=[IF_MATCH],
        request=UpdateBlockBody,
        responses=EffectiveBlockSerializer,
    )
    def patch(self, request, conversation_id, label):
        conversation = find_conversation(request, conversation_id)
        changes = read_body(request, UpdateBlockBody)
        version = expected_version(request)
        by = actor_of(request)
        return respond(
            request,
            edit_isolated_block(
                conversation, label, by=by, expected_version=version, changes=changes
            ),
        )

    @extend_schema(
        operation_id="conversations_release",
        parameters=[IF_MATCH],
        responses=EffectiveBlockSerializer(allow_null=True),
    )
    def delete(self, request, conversation_id, label):
        conversation = find_conversation(request, conversation_id)
        version = expected_version(request)
        by = actor_of(request)
        effective = release_label(conversation, label, by=by, expected_version=version)
        # Without a tag: what is answered is the shared block, which is not at this path.
        return Response(effective and EffectiveBlockSerializer(effective).data)


class ReleasedBlocks(ApiView):
    """The copies of a label that the conversation has released, newest first."""

    @extend_schema(operation_id="conversations_released", responses=BlockSerializer(many=True))
    def get(self, request, conversation_id, label):
        conversation = find_conversation(request, conversation_id)
        copies = conversation.own_blocks.released(label)
        return Response(BlockSerializer(copies, many=True).data)


class RestoreIsolatedBlock(ApiView):
    @extend_schema(
        operation_id="conversations_bring_back",
        request=RestoreIsolatedBlockBody,
        responses=EffectiveBlockSerializer,
    )
    def post(self, request, conversation_id, label):
        conversation = find_conversation(request, conversation_id)
        body = read_body(request, RestoreIsolatedBlockBody, required=False)
        return respond(request, restore_label(conversation, label, by=actor_of(request), **body))


class CompareIsolatedBlock(ApiView):
    @extend_schema(operation_id="conversations_diff", responses=ComparisonSerializer)
    def get(self, request, conversation_id, label):
        comparison = compare(find_conversation(request, conversation_id), label)
        return Response(ComparisonSerializer(comparison).data)


class PromoteIsolatedBlock(ApiView):
    @extend_schema(
        operation_id="conversations_promote",
        parameters=[IF_MATCH],
        request=PromoteBody,
        responses=PromotionSerializer,
    )
    def post(self, request, conversation_id, label):
        conversation = find_conversation(request, conversation_id)
        body = read_body(request, PromoteBody, required=False)
        if body["dry_run"]:
            promotion = preview_promotion(
                conversation,
                label,
                force=body["force"],
                expected_version=expected_version(request),
            )
        else:
            promotion = promote(
                conversation,
                label,
                by=actor_of(request),
                force=body["force"],
                expected_version=expected_version(request),
            )
        return Response(represent_promotion(promotion, dry_run=body["dry_run"]))


class ResetIsolatedBlock(ApiView):
    @extend_schema(
        operation_id="conversations_reset",
        parameters=[IF_MATCH],
        request=ResetBody,
        responses=EffectiveBlockSerializer,
    )
    def post(self, request, conversation_id, label):
        conversation = find_conversation(request, conversation_id)
        version = expected_version(request)
        if read_body(request, ResetBody, required=False)["dry_run"]:
            effective = preview_reset(conversation, label, expected_version=version)
            return Response(EffectiveBlockSerializer(effective).data)
        by = actor_of(request)
        return respond(request, reset(conversation, label, by=by, expected_version=version))


class RebaseIsolatedBlock(ApiView):
    @extend_schema(
        operation_id="conversations_rebase",
        parameters=[IF_MATCH],
        request=RebaseBody,
        responses=RebaseSerializer,
    )
    def post(self, request, conversation_id, label):
        conversation = find_conversation(request, conversation_id)
        body = read_body(request, RebaseBody, required=False)
        resolution = body.get("resolution")
        if body["dry_run"]:
            effective = preview_rebase(
                conversation,
                label,
                resolution=resolution,
                expected_version=expected_version(request),
            )
        else:
            effective = rebase(
                conversation,
                label,
                by=actor_of(request),
                resolution=resolution,
                expected_version=expected_version(request),
            )
        return Response(represent_rebase(effective, dry_run=body["dry_run"]))
