"""Sending messages to an agent, following its turns and cancelling them."""

from collections.abc import Iterable
from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.errors import Conflict, InvalidArgument, NoActiveRuns, NotFound
from ...domain.model_handles import check_model_handle
from ...domain.runs.capture import capture_messages
from ...domain.runs.request import TurnRequest
from ...domain.turns.model_request import prompt_request, request_tokens
from ...domain.turns.steps import preview_request
from ...domain.turns.usage import add_usage, step_usage
from ...llm.client import payload
from ...llm.errors import MODEL_ERRORS, ModelError
from ...models import Conversation, Run, Scope
from ...runtime.replies import complete
from ...runtime.runtime import StartedTurn, get_runtime
from ..auth import actor_of
from ..http.errors import InvalidRequest
from ..http.idempotency import REPLAYED, request_key
from ..http.validation import read_body, read_query
from ..run_response import ResponseOptions, respond
from ..schema import operation
from ..serializers.conversations import ConversationAgentQuery
from ..serializers.turns import (
    CancelBody,
    CaptureBody,
    CompactBody,
    GenerateBody,
    SendBody,
    StreamBody,
    turn_request,
)
from ..shapes.events import usage_json
from ..shapes.runs import RunJSON, run_json
from ..shapes.turns import CapturedJSON, CompactionJSON, GeneratedJSON, LettaResponseJSON
from ..waiting import wait_for
from .base import ApiView
from .finders import agents_of, find, resolve_conversation, runs_of
from .messages import AgentMessages, ConversationMessages

STREAM = {
    (200, "text/event-stream"): OpenApiResponse(
        OpenApiTypes.STR, "One event per line, `data: {…}`; the last is `data: [DONE]`."
    ),
}
ANSWER = {(200, "application/json"): LettaResponseJSON, **STREAM}


def send(
    request: Request,
    conversation: Conversation,
    body: dict[str, Any],
    *,
    streaming: bool,
    kind: str,
) -> HttpResponseBase:
    """Respond with a new turn, or with the one that the same request has started before."""
    options = ResponseOptions(
        streaming=streaming,
        pings=body["include_pings"],
        types=body.get("include_return_message_types"),
        shows_sent_messages=body["use_assistant_message"],
        shows_compactions=body["include_compaction_messages"],
    )
    return _respond(request, start_turn(request, conversation, body, kind=kind), options)


def start_turn(
    request: Request,
    conversation: Conversation,
    body: dict[str, Any],
    *,
    kind: str,
    background: bool = False,
) -> StartedTurn:
    """Start what the body of a `SendBody` asks for."""
    otids = [message["otid"] for message in body["messages"] if message.get("otid")]
    config = {
        "use_assistant_message": body["use_assistant_message"],
        "assistant_message_tool_name": "send_message",
        "assistant_message_tool_kwarg": "message",
        "include_return_message_types": body.get("include_return_message_types"),
    }
    return get_runtime().start_turn(
        conversation,
        by=actor_of(request),
        request=turn_request(body),
        kind=kind,
        background=background or body["background"],
        on_busy=body.get("on_busy"),
        otid=otids[0] if otids else None,
        key=request_key(request),
        request_config=config,
    )


def _respond(request: Request, turn: StartedTurn, options: ResponseOptions) -> HttpResponseBase:
    response = respond(request, turn.run, options, subscription=turn.subscription)
    return _marked(request, response, turn)


def _marked(request: Request, response: HttpResponseBase, turn: StartedTurn) -> HttpResponseBase:
    """Mark the response to a request that has started its run before."""
    if not turn.is_new and request.headers.get("Idempotency-Key"):
        response[REPLAYED] = "true"
    return response


class SendToConversation(ConversationMessages):
    @operation(
        "conversations_messages_create",
        scope=Scope.CONVERSE,
        idempotency="run",
        body=SendBody,
        response=ANSWER,
    )
    def post(self, request: Request, conversation_id: str) -> HttpResponseBase:
        """Send messages to a conversation."""
        body = read_body(request, SendBody)
        conversation = resolve_conversation(request, conversation_id, body.get("agent_id"))
        streaming = body.get("streaming") is not False
        kind = "send_conversation_message"
        return send(request, conversation, body, streaming=streaming, kind=kind)


class SendToAgent(AgentMessages):
    @operation(
        "agents_messages_create",
        scope=Scope.CONVERSE,
        idempotency="run",
        body=SendBody,
        response=ANSWER,
    )
    def post(self, request: Request, agent_id: str) -> HttpResponseBase:
        """Send messages to an agent."""
        body = read_body(request, SendBody)
        conversation = resolve_conversation(request, agent_id)
        streaming = bool(body.get("streaming"))
        version = request.headers.get("X-Stainless-Package-Version", "")
        if streaming and not version.startswith("1."):
            raise InvalidRequest("streaming=true is only supported for SDK v1.0+ clients.")
        return send(request, conversation, body, streaming=streaming, kind="send_message")


class StreamFromAgent(ApiView):
    @operation(
        "agents_messages_stream",
        scope=Scope.CONVERSE,
        idempotency="run",
        body=SendBody,
        response=STREAM,
    )
    def post(self, request: Request, agent_id: str) -> HttpResponseBase:
        """Send messages to an agent and stream the response."""
        body = read_body(request, SendBody)
        conversation = resolve_conversation(request, agent_id)
        return send(request, conversation, body, streaming=True, kind="send_message_streaming")


class SendToAgentAsync(ApiView):
    @operation(
        "agents_messages_create_async",
        scope=Scope.CONVERSE,
        idempotency="run",
        body=SendBody,
        response=RunJSON,
    )
    def post(self, request: Request, agent_id: str) -> HttpResponseBase:
        """Send messages to an agent and return the run at once."""
        body = read_body(request, SendBody)
        conversation = resolve_conversation(request, agent_id)
        kind = "send_message_async"
        turn = start_turn(request, conversation, body, kind=kind, background=True)
        if turn.subscription:
            turn.subscription.close()
        return _marked(request, Response(run_json(turn.run)), turn)


class CaptureMessages(ApiView):
    @operation(
        "agents_messages_capture", scope=Scope.CONVERSE, body=CaptureBody, response=CapturedJSON
    )
    def post(self, request: Request, agent_id: str) -> HttpResponseBase:
        """Store messages that another program exchanged with a model.

        They are appended to the default conversation: those of the user, then the reply.
        """
        messages = read_body(request, CaptureBody)["messages"]
        conversation = resolve_conversation(request, agent_id)
        stored = capture_messages(conversation, messages, by=actor_of(request))
        return Response({"success": True, "messages_created": len(stored), "run_ids": []})


class Generate(ApiView):
    @operation("agents_generate", scope=Scope.CONVERSE, body=GenerateBody, response=GeneratedJSON)
    def post(self, request: Request, agent_id: str) -> HttpResponseBase:
        """Ask an agent's model something, without its memory, messages and tools.

        Nothing is stored.
        """
        body = read_body(request, GenerateBody)
        agent = find(agents_of(request), agent_id)
        model = body.get("override_model")
        check_model_handle(model or agent.model)
        asked = prompt_request(
            agent,
            body["prompt"],
            system=body.get("system_prompt"),
            model=model,
            schema=body.get("response_schema"),
        )
        try:
            reply = wait_for(request, complete(asked))
        except ModelError as error:
            kind = MODEL_ERRORS[error.type]
            failure = {"type": error.type, "message": kind.message, "detail": error.detail}
            return Response({"error": failure}, status=kind.status)
        usage = step_usage(reply, estimated_prompt=request_tokens(asked))
        total = add_usage({}, usage, step_count=0)
        handle = reply.model or asked.handle
        return Response(
            {
                "content": reply.text,
                "model": handle.partition("/")[2] or handle,
                "usage": usage_json(total),
            }
        )


class StreamConversation(ApiView):
    @operation("conversations_messages_stream", scope=Scope.READ, body=StreamBody, response=STREAM)
    def post(self, request: Request, conversation_id: str) -> HttpResponseBase:
        """Stream the events of a run.

        The run is the one with `run_id`, else the one that a message with `otid` started, else the
        active one.
        """
        body = read_body(request, StreamBody, required=False)
        conversation = resolve_conversation(request, conversation_id, body.get("agent_id"))
        return _follow(request, _run_to_follow(request, conversation, body), body)


def _run_to_follow(request: Request, conversation: Conversation, body: dict[str, Any]) -> Run:
    runs = runs_of(request).filter(conversation=conversation)
    if run_id := body.get("run_id"):
        return find(runs, run_id)
    if otid := body.get("otid"):
        # A failed run gives up its otid; fall back to the message's.
        run = runs.get_or_none(otid=otid) or runs.filter(messages__otid=otid).first()
        if run is None:
            raise NotFound(f"No run was started by a message with otid {otid!r}")
        return run
    run = runs.active().first()
    if run is None:
        raise InvalidArgument(f"No active runs found for conversation '{conversation.pk}'")
    return run


def _follow(request: Request, run: Run, body: dict[str, Any]) -> HttpResponseBase:
    config = run.request_config
    options = ResponseOptions(
        pings=body.get("include_pings") is not False,
        types=config.get("include_return_message_types"),
        shows_sent_messages=config.get("use_assistant_message", True),
        shows_compactions=True,
        after=body["starting_after"],
    )
    return respond(request, run, options)


class StreamRun(ApiView):
    @operation("runs_messages_stream", scope=Scope.READ, body=StreamBody, response=STREAM)
    def post(self, request: Request, run_id: str) -> HttpResponseBase:
        """Stream the events of a run, from the beginning or after `starting_after`."""
        body = read_body(request, StreamBody, required=False)
        return _follow(request, find(runs_of(request), run_id), body)


class CancelConversation(ApiView):
    @operation(
        "conversations_cancel",
        ConversationAgentQuery,
        scope=Scope.CONVERSE,
        idempotency="none",
        response=dict[str, str],
    )
    def post(self, request: Request, conversation_id: str) -> HttpResponseBase:
        """Cancel the active run of a conversation and those that are queued behind it."""
        query = read_query(request, ConversationAgentQuery)
        conversation = resolve_conversation(request, conversation_id, query.get("agent_id"))
        return _cancel(conversation.runs.unfinished(), NoActiveRuns(conversation))


class CancelAgent(ApiView):
    @operation(
        "agents_messages_cancel",
        scope=Scope.CONVERSE,
        idempotency="none",
        body=CancelBody,
        response=dict[str, str],
    )
    def post(self, request: Request, agent_id: str) -> HttpResponseBase:
        """Cancel the given runs, or all active and queued ones of an agent's conversations."""
        body = read_body(request, CancelBody, required=False)
        agent = find(agents_of(request), agent_id)
        runs = runs_of(request).filter(agent=agent).unfinished()
        if body.get("run_ids"):
            runs = runs.filter(pk__in=body["run_ids"])
        return _cancel(runs, NoActiveRuns(agent))


class CancelRun(ApiView):
    @operation(
        "runs_cancel",
        scope=Scope.CONVERSE,
        idempotency="none",
        response=dict[str, str],
    )
    def post(self, request: Request, run_id: str) -> HttpResponseBase:
        """Cancel a run."""
        run = find(runs_of(request), run_id)
        runs = [run] if run.status in Run.UNFINISHED else []
        return _cancel(runs, Conflict(f"Run '{run_id}' is {run.status} and can't be cancelled"))


def _cancel(unfinished: Iterable[Run], error: Conflict) -> Response:
    """Cancel these runs; raise `error` if there are none."""
    # Queued ones first, or the end of an active one lets the next begin.
    runs = sorted(unfinished, key=lambda run: run.status != Run.Status.QUEUED)
    if not runs:
        raise error
    for run in runs:
        get_runtime().cancel_run(run)
        # It may have completed just before.
        run.refresh_from_db(fields=["status"])
    return Response({run.pk: run.status for run in runs})


class CompactConversation(ApiView):
    @operation(
        "conversations_messages_compact",
        scope=Scope.CONVERSE,
        idempotency="run",
        body=CompactBody,
        response=CompactionJSON,
    )
    def post(self, request: Request, conversation_id: str) -> HttpResponseBase:
        """Replace old messages of a conversation with a summary."""
        body = read_body(request, CompactBody, required=False)
        conversation = resolve_conversation(request, conversation_id, body.get("agent_id"))
        return _compact(request, conversation, body)


class CompactAgent(ApiView):
    @operation(
        "agents_messages_compact",
        scope=Scope.CONVERSE,
        idempotency="run",
        body=CompactBody,
        response=CompactionJSON,
    )
    def post(self, request: Request, agent_id: str) -> HttpResponseBase:
        """Replace old messages of the default conversation with a summary."""
        body = read_body(request, CompactBody, required=False)
        return _compact(request, resolve_conversation(request, agent_id), body)


def _compact(
    request: Request, conversation: Conversation, body: dict[str, Any]
) -> HttpResponseBase:
    turn = get_runtime().start_turn(
        conversation,
        by=actor_of(request),
        request=TurnRequest(compaction=body.get("compaction_settings") or {}),
        key=request_key(request),
        kind="compact",
    )
    return _respond(request, turn, ResponseOptions(streaming=False))


class PreviewRequest(ApiView):
    @operation(
        "conversations_messages_preview",
        scope=Scope.READ,
        body=SendBody,
        response=OpenApiTypes.OBJECT,
    )
    def post(self, request: Request, conversation_id: str) -> HttpResponseBase:
        """Preview the request that the model provider would receive.

        Nothing is stored.
        """
        body = read_body(request, SendBody)
        conversation = resolve_conversation(request, conversation_id, body.get("agent_id"))
        return Response(payload(preview_request(conversation, turn_request(body))))
