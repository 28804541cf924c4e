from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from ...domain.memory.bulk import rebase_all, reset_all
from ..auth import actor_of
from ..http.validation import read_body
from ..serializers.bulk import BulkBody
from ..shapes.bulk import BulkJSON, bulk_json
from .base import ApiView
from .finders import find_agent


def bring_together(request, verb, agent_id: str, label: str) -> Response:
    agent = find_agent(request, agent_id)
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
    """In an agent's conversations, take the shared text of a label again."""

    @extend_schema(operation_id="agents_reset", request=BulkBody, responses=BulkJSON)
    def post(self, request, agent_id, label):
        return bring_together(request, reset_all, agent_id, label)


class RebaseIsolatedBlocks(ApiView):
    """In an agent's conversations, merge the shared changes of a label into the own texts."""

    @extend_schema(operation_id="agents_rebase", request=BulkBody, responses=BulkJSON)
    def post(self, request, agent_id, label):
        return bring_together(request, rebase_all, agent_id, label)
