"""Reset or rebase one label in many conversations of an agent."""

from collections.abc import Callable, Iterator

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.memory.bulk import Outcome, rebase_all, reset_all
from ..auth import actor_of
from ..http.validation import read_body
from ..schema import operation
from ..serializers.bulk import BulkBody
from ..shapes.bulk import BulkJSON, bulk_json
from .base import ApiView
from .finders import agents_of, find


def respond(
    request: Request, verb: Callable[..., Iterator[Outcome]], agent_id: str, label: str
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
    @operation("agents_reset", body=BulkBody, response=BulkJSON)
    def post(self, request: Request, agent_id: str, label: str) -> HttpResponse:
        """Reset a label in many of an agent's conversations to the shared text."""
        return respond(request, reset_all, agent_id, label)


class RebaseIsolatedBlocks(ApiView):
    @operation("agents_rebase", body=BulkBody, response=BulkJSON)
    def post(self, request: Request, agent_id: str, label: str) -> HttpResponse:
        """Merge shared changes to a label into many of an agent's conversations."""
        return respond(request, rebase_all, agent_id, label)
