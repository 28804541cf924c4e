"""Sending to an agent, following the answer, and ending it."""

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.response import Response

from ...conf import conf
from ...domain.errors import Conflict, InvalidArgument, NotFound, UnknownId
from ...domain.runs.start import TurnRequest, start_run
from ...domain.turns.steps import preview_request
from ...llm.client import payload
from ...models import Conversation, Run
from ...runtime import broker
from ...runtime.worker import cancel_run, this_worker
from ..auth import actor_of
from ..http.errors import InvalidRequest
from ..http.validation import read_body, read_query
from ..run_response import Form, answer_run
from ..serializers.turns import (
    CancelBody,
    CancelQuery,
    CompactBody,
    SendBody,
    StreamBody,
    turn_request,
)
from ..shapes.runs import RunJSON, run_json
from ..shapes.turns import CompactionJSON, LettaResponseJSON
from .base import ApiView
from .finders import find_agent, find_agent_conversation, find_run, resolve_conversation, runs_of
from .messages import AgentMessages, ConversationMessages

STREAM = {
    (200, "text/event-stream"): OpenApiResponse(
        OpenApiTypes.STR, "One event per line, `data: {…}`; the last is `data: [DONE]`."
    ),
}
ANSWER = {(200, "application/json"): LettaResponseJSON, **STREAM}


def send(
    request, conversation: Conversation, body: dict, *, streaming: bool, kind: str
) -> HttpResponse:
    """Start a turn, or find the one that this request has started before."""
    form = Form(
        streaming=streaming,
        pings=body["include_pings"],
        types=body.get("include_return_message_types"),
        speech=body["use_assistant_message"],
        compaction=body["include_compaction_messages"],
    )
    run, beginning = begin(request, conversation, body, kind=kind)
    return answer_run(request, run, form, beginning=beginning)


def begin(
    request, conversation: Conversation, body: dict, *, kind: str, background: bool = False
) -> tuple[Run, broker.Watch | None]:
    """A run for what the body asks, taken at once; and a watch from before its first event."""
    otids = [message["otid"] for message in body["messages"] if message.get("otid")]
    config = {
        "use_assistant_message": body["use_assistant_message"],
        "assistant_message_tool_name": "send_message",
        "assistant_message_tool_kwarg": "message",
        "include_return_message_types": body.get("include_return_message_types"),
    }
    return _start(
        request,
        conversation,
        turn_request(body),
        kind=kind,
        background=background or body["background"],
        otid=otids[0] if otids else None,
        request_config=config,
    )


def _start(
    request, conversation: Conversation, wanted: TurnRequest, **fields
) -> tuple[Run, broker.Watch | None]:
    key = request.headers.get("Idempotency-Key") or None
    if key and len(key) > 255:
        raise InvalidRequest(f"Idempotency-Key: expected at most 255 characters, got {len(key)}")
    worker = this_worker() if conf.RUN_TURNS_IN_WEB else None
    run, is_new = start_run(
        conversation,
        by=actor_of(request),
        request=wanted,
        worker=worker and worker.name,
        idempotency_key=key,
        **fields,
    )
    if not (is_new and worker):
        return run, None
    beginning = broker.watch(run.pk)
    worker.take(run)
    return run, beginning


class SendToConversation(ConversationMessages):
    @extend_schema(operation_id="conversations_messages_create", request=SendBody, responses=ANSWER)
    def post(self, request, conversation_id):
        """Send messages to a conversation."""
        body = read_body(request, SendBody)
        conversation = resolve_conversation(request, conversation_id, body.get("agent_id"))
        streaming = body.get("streaming") is not False
        kind = "send_conversation_message"
        return send(request, conversation, body, streaming=streaming, kind=kind)


class SendToAgent(AgentMessages):
    @extend_schema(operation_id="agents_messages_create", request=SendBody, responses=ANSWER)
    def post(self, request, agent_id):
        """Send messages to an agent."""
        body = read_body(request, SendBody)
        conversation = find_agent_conversation(request, find_agent(request, agent_id), None)
        streaming = bool(body.get("streaming"))
        version = request.headers.get("X-Stainless-Package-Version", "")
        if streaming and not version.startswith("1."):
            raise InvalidRequest("streaming=true is only supported for SDK v1.0+ clients.")
        return send(request, conversation, body, streaming=streaming, kind="send_message")


class StreamFromAgent(ApiView):
    @extend_schema(operation_id="agents_messages_stream", request=SendBody, responses=STREAM)
    def post(self, request, agent_id):
        """Send messages to an agent and stream the response."""
        body = read_body(request, SendBody)
        conversation = find_agent_conversation(request, find_agent(request, agent_id), None)
        return send(request, conversation, body, streaming=True, kind="send_message_streaming")


class SendToAgentAsync(ApiView):
    @extend_schema(operation_id="agents_messages_create_async", request=SendBody, responses=RunJSON)
    def post(self, request, agent_id):
        """Send messages to an agent and return the run at once."""
        body = read_body(request, SendBody)
        conversation = find_agent_conversation(request, find_agent(request, agent_id), None)
        kind = "send_message_async"
        run, beginning = begin(request, conversation, body, kind=kind, background=True)
        if beginning:
            beginning.close()
        return Response(run_json(run))


class StreamConversation(ApiView):
    only_reads = True

    @extend_schema(
        operation_id="conversations_messages_stream", request=StreamBody, responses=STREAM
    )
    def post(self, request, conversation_id):
        """Stream the events of a run.

        The run is the one with `run_id`, else the one that a message with `otid` started, else the
        active one.
        """
        body = read_body(request, StreamBody, required=False)
        conversation = resolve_conversation(request, conversation_id, body.get("agent_id"))
        return _followed(request, _run_to_follow(request, conversation, body), body)


def _run_to_follow(request, conversation: Conversation, body: dict) -> Run:
    runs = runs_of(request).filter(conversation=conversation)
    if run_id := body.get("run_id"):
        run = runs.get_or_none(pk=run_id)
        if run is None:
            raise UnknownId(Run, run_id)
        return run
    if otid := body.get("otid"):
        # Its message has it too, when the run itself was freed of it.
        run = runs.get_or_none(otid=otid) or runs.filter(messages__otid=otid).first()
        if run is None:
            raise NotFound(f"No run was started by a message with otid {otid!r}")
        return run
    run = runs.active().first()
    if run is None:
        raise InvalidArgument(f"No active runs found for conversation '{conversation.pk}'")
    return run


def _followed(request, run: Run, body: dict) -> HttpResponse:
    config = run.request_config
    form = Form(
        pings=body.get("include_pings") is not False,
        types=config.get("include_return_message_types"),
        speech=config.get("use_assistant_message", True),
        compaction=True,
        after=body["starting_after"],
    )
    return answer_run(request, run, form)


class StreamRun(ApiView):
    only_reads = True

    @extend_schema(operation_id="runs_messages_stream", request=StreamBody, responses=STREAM)
    def post(self, request, run_id):
        """Stream the events of a run, from the beginning or after `starting_after`."""
        body = read_body(request, StreamBody, required=False)
        return _followed(request, find_run(request, run_id), body)


class CancelConversation(ApiView):
    @extend_schema(
        operation_id="conversations_cancel",
        parameters=[CancelQuery],
        request=None,
        responses=dict[str, str],
    )
    def post(self, request, conversation_id):
        """Cancel the active run of a conversation."""
        query = read_query(request, CancelQuery)
        conversation = resolve_conversation(request, conversation_id, query.get("agent_id"))
        active = list(conversation.runs.active())
        if not active:
            raise Conflict(f"CONFLICT: No active runs to cancel for conversation {conversation.pk}")
        return Response(_cancelled(active))


class CancelAgent(ApiView):
    @extend_schema(
        operation_id="agents_messages_cancel",
        request=CancelBody,
        responses=dict[str, str],
    )
    def post(self, request, agent_id):
        """Cancel the given runs, or all active runs of an agent's conversations."""
        body = read_body(request, CancelBody, required=False)
        active = runs_of(request).filter(agent=find_agent(request, agent_id)).active()
        if body.get("run_ids"):
            active = active.filter(pk__in=body["run_ids"])
        active = list(active)
        if not active:
            raise Conflict(f"CONFLICT: No active runs to cancel for agent {agent_id}")
        return Response(_cancelled(active))


class CancelRun(ApiView):
    @extend_schema(operation_id="runs_cancel", request=None, responses=dict[str, str])
    def post(self, request, run_id):
        """Cancel a run."""
        run = find_run(request, run_id)
        if run.status not in Run.ACTIVE:
            raise Conflict(f"Run '{run_id}' is {run.status} and can't be cancelled")
        return Response(_cancelled([run]))


def _cancelled(runs: list[Run]) -> dict[str, str]:
    for run in runs:
        cancel_run(run)
        # It may have ended of itself just before.
        run.refresh_from_db(fields=["status"])
    return {run.pk: run.status for run in runs}


class CompactConversation(ApiView):
    @extend_schema(
        operation_id="conversations_messages_compact",
        request=CompactBody,
        responses=CompactionJSON,
    )
    def post(self, request, conversation_id):
        """Replace old messages of a conversation with a summary."""
        body = read_body(request, CompactBody, required=False)
        conversation = resolve_conversation(request, conversation_id, body.get("agent_id"))
        return _compact(request, conversation, body)


class CompactAgent(ApiView):
    @extend_schema(
        operation_id="agents_messages_compact", request=CompactBody, responses=CompactionJSON
    )
    def post(self, request, agent_id):
        """Replace old messages of the default conversation with a summary."""
        body = read_body(request, CompactBody, required=False)
        return _compact(
            request, find_agent_conversation(request, find_agent(request, agent_id), None), body
        )


def _compact(request, conversation: Conversation, body: dict) -> HttpResponse:
    wanted = TurnRequest(compaction=body.get("compaction_settings") or {})
    run, beginning = _start(request, conversation, wanted, kind="compact")
    return answer_run(request, run, Form(streaming=False), beginning=beginning)


class PreviewRequest(ApiView):
    only_reads = True

    @extend_schema(
        operation_id="conversations_messages_preview",
        request=SendBody,
        responses=OpenApiTypes.OBJECT,
    )
    def post(self, request, conversation_id):
        """Preview the request that the model provider would receive.

        Nothing is stored.
        """
        body = read_body(request, SendBody)
        conversation = resolve_conversation(request, conversation_id, body.get("agent_id"))
        return Response(payload(preview_request(conversation, turn_request(body))))
