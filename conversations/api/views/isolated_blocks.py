"""The effective and isolated blocks of a conversation, and bulk verbs on many conversations."""

from collections.abc import Callable, Iterator, Sequence
from typing import cast

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.memory.blocks import BlockFields
from ...domain.memory.bulk import BulkOutcome, rebase_all, reset_all
from ...domain.memory.drift import (
    compare,
    promote,
    rebase,
    reset,
)
from ...domain.memory.effective import EffectiveBlock, effective_blocks
from ...domain.memory.isolation import isolate_label, release_label, restore_label
from ...domain.memory.label_edits import edit_isolated_block
from ...domain.memory.periods import PastBlock, effective_blocks_at, time_of
from ...models import Scope
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
from ..schema import operation
from ..serializers.blocks import UpdateBlockBody
from ..serializers.history import EffectiveBlocksQuery
from ..serializers.isolated_blocks import (
    BulkBody,
    IsolateBody,
    PromoteBody,
    RebaseBody,
    ResetBody,
    RestoreIsolatedBlockBody,
)
from ..shapes.blocks import BlockJSON, block_json
from ..shapes.isolated_blocks import (
    BulkJSON,
    ComparisonJSON,
    EffectiveBlockJSON,
    PromotionJSON,
    RebaseJSON,
    bulk_json,
    comparison_json,
    effective_block_json,
    promotion_json,
    rebase_json,
)
from .base import ApiView
from .finders import agents_of, conversations_of, find


def respond(request: Request, effective: EffectiveBlock) -> HttpResponse:
    """Respond with an effective block and its ETag."""
    return tagged(request, effective_block_json(effective), effective.version)


class ConversationBlocks(ApiView):
    @operation(
        "conversations_blocks",
        EffectiveBlocksQuery,
        scope=Scope.READ,
        response=list[EffectiveBlockJSON],
    )
    def get(self, request: Request, conversation_id: str) -> HttpResponse:
        """List the effective blocks of a conversation in prompt order.

        With `at`, list the blocks that it read at that time.
        """
        conversation = find(conversations_of(request), conversation_id)
        at = read_query(request, EffectiveBlocksQuery).get("at")
        blocks: Sequence[EffectiveBlock | PastBlock] = (
            effective_blocks(conversation)
            if at is None
            else effective_blocks_at(conversation, time_of(conversation, at))
        )
        return Response([effective_block_json(row) for row in blocks])


class IsolatedBlockDetail(ApiView):
    @operation(
        "conversations_isolated_block", IF_NONE_MATCH, scope=Scope.READ, response=EffectiveBlockJSON
    )
    def get(self, request: Request, conversation_id: str, label: str) -> HttpResponse:
        """Retrieve the isolated block of a label."""
        conversation = find(conversations_of(request), conversation_id)
        return respond(request, compare(conversation, label).effective)

    @operation(
        "conversations_isolate",
        IF_NONE,
        scope=Scope.CONVERSE,
        body=IsolateBody,
        response=EffectiveBlockJSON,
    )
    def put(self, request: Request, conversation_id: str, label: str) -> HttpResponse:
        """Isolate a label."""
        conversation = find(conversations_of(request), conversation_id)
        body = read_body(request, IsolateBody, required=False)
        by, is_new = actor_of(request), requires_absence(request)
        effective = isolate_label(conversation, label, by=by, requires_absence=is_new, **body)
        return respond(request, effective)

    @operation(
        "conversations_edit_isolated",
        IF_MATCH,
        scope=Scope.CONVERSE,
        body=UpdateBlockBody,
        response=EffectiveBlockJSON,
    )
    def patch(self, request: Request, conversation_id: str, label: str) -> HttpResponse:
        """Update the isolated block of a label."""
        conversation = find(conversations_of(request), conversation_id)
        changes = cast(BlockFields, read_body(request, UpdateBlockBody))
        by, version = actor_of(request), expected_version(request)
        effective = edit_isolated_block(
            conversation, label, by=by, expected_version=version, changes=changes
        )
        return respond(request, effective)

    @operation(
        "conversations_release", IF_MATCH, scope=Scope.CONVERSE, response=EffectiveBlockJSON | None
    )
    def delete(self, request: Request, conversation_id: str, label: str) -> HttpResponse:
        """Release the isolated block of a label."""
        conversation = find(conversations_of(request), conversation_id)
        by, version = actor_of(request), expected_version(request)
        effective = release_label(conversation, label, by=by, expected_version=version)
        # Without an ETag: the response is the shared block, which has another path.
        return Response(effective_block_json(effective) if effective else None)


class ReleasedBlocks(ApiView):
    @operation("conversations_released", scope=Scope.READ, response=list[BlockJSON])
    def get(self, request: Request, conversation_id: str, label: str) -> HttpResponse:
        """List the released blocks of a label, newest first."""
        conversation = find(conversations_of(request), conversation_id)
        copies = conversation.own_blocks.released(label)
        return Response([block_json(row) for row in copies])


class RestoreIsolatedBlock(ApiView):
    @operation(
        "conversations_bring_back",
        scope=Scope.CONVERSE,
        body=RestoreIsolatedBlockBody,
        response=EffectiveBlockJSON,
    )
    def post(self, request: Request, conversation_id: str, label: str) -> HttpResponse:
        """Restore a released block."""
        conversation = find(conversations_of(request), conversation_id)
        body = read_body(request, RestoreIsolatedBlockBody, required=False)
        return respond(request, restore_label(conversation, label, by=actor_of(request), **body))


class CompareIsolatedBlock(ApiView):
    @operation("conversations_diff", scope=Scope.READ, response=ComparisonJSON)
    def get(self, request: Request, conversation_id: str, label: str) -> HttpResponse:
        """Compare the base, the shared and the isolated text of a label."""
        comparison = compare(find(conversations_of(request), conversation_id), label)
        return Response(comparison_json(comparison))


class PromoteIsolatedBlock(ApiView):
    @operation(
        "conversations_promote",
        IF_MATCH,
        scope=Scope.WRITE,
        body=PromoteBody,
        response=PromotionJSON,
    )
    def post(self, request: Request, conversation_id: str, label: str) -> HttpResponse:
        """Write the isolated text of a label to the shared block."""
        conversation = find(conversations_of(request), conversation_id)
        body = read_body(request, PromoteBody, required=False)
        by, version = actor_of(request), expected_version(request)
        promotion = promote(conversation, label, by=by, expected_version=version, **body)
        return Response(promotion_json(promotion, dry_run=body["dry_run"]))


class ResetIsolatedBlock(ApiView):
    @operation(
        "conversations_reset",
        IF_MATCH,
        scope=Scope.CONVERSE,
        body=ResetBody,
        response=EffectiveBlockJSON,
    )
    def post(self, request: Request, conversation_id: str, label: str) -> HttpResponse:
        """Reset the isolated block of a label to the shared text."""
        conversation = find(conversations_of(request), conversation_id)
        body = read_body(request, ResetBody, required=False)
        by, version = actor_of(request), expected_version(request)
        effective = reset(conversation, label, by=by, expected_version=version, **body)
        if body["dry_run"]:
            return Response(effective_block_json(effective))
        return respond(request, effective)


class RebaseIsolatedBlock(ApiView):
    @operation(
        "conversations_rebase", IF_MATCH, scope=Scope.CONVERSE, body=RebaseBody, response=RebaseJSON
    )
    def post(self, request: Request, conversation_id: str, label: str) -> HttpResponse:
        """Merge shared changes into the isolated block of a label."""
        conversation = find(conversations_of(request), conversation_id)
        body = read_body(request, RebaseBody, required=False)
        by, version = actor_of(request), expected_version(request)
        effective = rebase(conversation, label, by=by, expected_version=version, **body)
        return Response(rebase_json(effective, dry_run=body["dry_run"]))


def _in_many(
    request: Request, verb: Callable[..., Iterator[BulkOutcome]], agent_id: str, label: str
) -> HttpResponse:
    """Run a verb on a label in the conversations that the body selects."""
    agent = find(agents_of(request), agent_id)
    body = read_body(request, BulkBody, required=False)
    outcomes = verb(
        agent,
        label,
        by=actor_of(request),
        conversation_ids=body.get("conversation_ids"),
        drifts=body.get("drift", []),
        dry_run=body["dry_run"],
    )
    return Response(bulk_json(label, outcomes, dry_run=body["dry_run"]))


class ResetIsolatedBlocks(ApiView):
    @operation("agents_reset", scope=Scope.CONVERSE, body=BulkBody, response=BulkJSON)
    def post(self, request: Request, agent_id: str, label: str) -> HttpResponse:
        """Reset a label in many of an agent's conversations to the shared text."""
        return _in_many(request, reset_all, agent_id, label)


class RebaseIsolatedBlocks(ApiView):
    @operation("agents_rebase", scope=Scope.CONVERSE, body=BulkBody, response=BulkJSON)
    def post(self, request: Request, agent_id: str, label: str) -> HttpResponse:
        """Merge shared changes to a label into many of an agent's conversations."""
        return _in_many(request, rebase_all, agent_id, label)
