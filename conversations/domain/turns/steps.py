"""The steps of a turn: what the model is sent, and what is stored when it has replied.

One transaction stores a whole step: the reply, what its tools did to memory, their results and the
events. A worker that dies leaves complete steps only.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Case, F, Max, Q, When
from django.db.models.functions import Coalesce

from ...conf import conf
from ...ids import new_id
from ...llm.requests import ModelRequest
from ...models import Conversation, Message, Run, Step, Tool
from ...models.messages import MessageQuerySet
from ..actor import Actor, Source
from ..conversations.messages import append_messages, insert_messages_after, lock_for_messages
from ..errors import UnknownId
from ..memory.effective import block_versions_of
from ..memory.prompt import BlockSeen, blocks_seen, is_stale, recompile
from ..model_handles import check_model_handle
from ..runs.events import Event, EventSequence, NumberedEvent, insert_events
from ..runs.finish import Outcome, finish_run
from ..runs.input import awaiting_message, calls_awaiting_client, check_answers
from ..runs.leases import lock_run
from ..runs.request import TurnRequest
from ..tools.definitions import function_of
from ..tools.execution import ToolResult, call_tool, lock_named_blocks, refusal
from ..tools.rules import ToolRules
from .context_window import context_window
from .messages import (
    assistant_message,
    decisions_message,
    result_event,
    result_message,
    sent_result_events,
)
from .model_request import model_request, request_tokens
from .reply import ModelReply
from .traces import trace_of
from .usage import StepUsage, add_usage, step_usage

Role = Message.Role
# By the ids of the calls.
Results = Mapping[str, ToolResult]


@dataclass
class Turn:
    """A run while a worker executes it.

    `tools` are the agent's tools by name; `client_tools` are the names of those that the client
    runs or approves; `approved` are calls that the client approved and that have not run yet, None
    if it decided nothing; `called` are the names of the tools called so far, and `last_result` is
    the result of the last one; `is_exit_refused` after a reply that ended the turn before all
    required tools were called; `isolated` are the ids of isolated blocks; `step` is the number of
    finished steps.
    """

    run: Run
    conversation: Conversation
    request: TurnRequest
    worker: str
    tools: dict[str, Tool]
    client_tools: frozenset[str]
    events: EventSequence
    approved: list[dict[str, Any]] | None = None
    called: tuple[str, ...] = ()
    last_result: str = ""
    is_exit_refused: bool = False
    isolated: set[str] = field(default_factory=set)
    blocks_seen: list[BlockSeen] = field(default_factory=list)
    step: int = 0

    @property
    def by(self) -> Actor:
        """The actor of what the turn's tools write."""
        return Actor(self.run.created_by, Source.TOOL, self.run)

    @property
    def rules(self) -> ToolRules:
        """The agent's tool rules at this moment of the turn."""
        return ToolRules(self.conversation.agent.tool_rules, self.called, self.last_result)

    @property
    def context_window_limit(self) -> int:
        """The size of the context window in tokens."""
        own = self.conversation.context_window_limit
        return own or self.conversation.agent.context_window_limit


@dataclass(frozen=True)
class StepPlan:
    """The next step: its id, its number, what the model is sent, and the estimated tokens of it.

    `last_position` is that of the newest message; `allowed` are the names of the agent's tools that
    may be called, and `rules` the rules that say so.
    """

    step_id: str
    number: int
    request: ModelRequest
    tokens: int
    last_position: int
    allowed: list[str]
    rules: ToolRules

    def may_run(self, calls: Iterable[dict[str, Any]]) -> frozenset[str]:
        """Return the ids of those calls of a reply that the rules allow, one after the other."""
        called = list(self.rules.called)
        ids = set()
        for call in calls:
            name = call["function"]["name"]
            if name in self.allowed and self.rules.is_below_maximum(name, called):
                ids.add(call["id"])
                called.append(name)
        return frozenset(ids)


def begin_turn(run: Run, worker: str) -> Turn:
    """Recompile a stale prompt, and find the tool calls that the client approved.

    A turn that another worker has begun continues after its last stored step.

    The run comes with its conversation and agent, read when it was started or claimed. Raises
    NotFound if the conversation was deleted, RunLost if the worker lost the run.
    """
    conversation = run.conversation
    if conversation.deleted_at or conversation.agent.deleted_at:
        raise UnknownId(Conversation, run.conversation_id)
    request = TurnRequest.of(run)
    client_tools = frozenset(tool["name"] for tool in request.client_tools)
    turn = Turn(
        run,
        conversation,
        request,
        worker,
        tools={tool.name: tool for tool in Tool.objects.of_agent(conversation.agent)},
        client_tools=client_tools | frozenset(conversation.agent.approval_tools),
        events=EventSequence(run.pk),
    )
    # Nothing of such a run is stored before the results of the approved calls.
    is_undecided = bool(request.decisions) and not run.messages.exists()
    if run.attempts > 1 or (request.decisions and not is_undecided):
        turn.step = run.steps.aggregate(n=Coalesce(Max("number"), 0))["n"]
        turn.events.last = run.events.aggregate(n=Coalesce(Max("seq"), 0))["n"]
        if turn.rules.constrain:
            _restore_calls(turn)
    versions = block_versions_of([conversation])[conversation.pk]
    turn.isolated = {block.block_id for block in versions if block.isolation_id}
    if turn.step == 0 and is_stale(conversation, versions) and conf.PROMPT_REFRESH == "on_change":
        recompile(conversation, run=run)
    if is_undecided:
        approved = {each["tool_call_id"] for each in request.decisions if each["approve"]}
        awaiting = calls_awaiting_client(conversation)
        turn.approved = [call for call in awaiting if call["id"] in approved]
    return turn


def _restore_calls(turn: Turn) -> None:
    """Read from the results what an earlier worker's steps have called."""
    links = turn.conversation.message_links.filter(
        message__run=turn.run, message__role=Role.TOOL
    ).exclude(message__name=None)
    results = [link.message for link in links.order_by("position").select_related("message")]
    turn.called = tuple(str(message.name) for message in results)
    turn.last_result = results[-1].text if results else ""


def plan_step(turn: Turn) -> StepPlan:
    """Read what the model is sent now."""
    # In the query of the system message, so that both describe the same compilation.
    compiled_from = Case(When(position=0, then=F("conversation__compiled_from")))
    links = turn.conversation.message_links.in_context().annotate(compiled_from=compiled_from)
    in_context = list(links.select_related("message"))
    if compiled := getattr(in_context[0], "compiled_from", None) if in_context else None:
        turn.blocks_seen = blocks_seen(compiled, turn.isolated)
    messages = [link.message for link in in_context]
    labels = [block["label"] for block in turn.blocks_seen]
    rules = turn.rules
    callable_tools = [name for name, tool in turn.tools.items() if function_of(tool)]
    allowed = rules.allowed(callable_tools)
    request = model_request(
        turn.conversation,
        messages,
        turn.request,
        tools=[turn.tools[name] for name in allowed],
        labels=labels,
    )
    _constrain(request, turn, rules, allowed)
    # The newest message is always in context, and only this turn adds others.
    last = max((link.position for link in in_context), default=-1)
    tokens = request_tokens(request)
    return StepPlan(new_id("step"), turn.step + 1, request, tokens, last, allowed, rules)


def _constrain(request: ModelRequest, turn: Turn, rules: ToolRules, allowed: list[str]) -> None:
    """Make the model call a tool where the rules say so."""
    if not rules.constrain:
        return
    # The rules are about the order of calls.
    request.settings["parallel_tool_calls"] = False
    missing = rules.missing_before_exit(allowed) if turn.is_exit_refused else []
    if missing:
        # Only in the request: no message of the conversation.
        text = f"Call {', '.join(missing)} before you end this turn."
        request.messages.append({"role": "user", "content": text})
    if (missing or rules.must_call) and request.tools:
        request.settings["tool_choice"] = "required"


def preview_request(conversation: Conversation, request: TurnRequest) -> ModelRequest:
    """Return what the model would be sent for this request now. Stores nothing."""
    check_model_handle(request.model or conversation.model or conversation.agent.model)
    window = context_window(conversation)
    messages = [*window.messages, *request.messages()]
    return model_request(conversation, messages, request, tools=window.tools, labels=window.labels)


@transaction.atomic
def store_step(
    turn: Turn, plan: StepPlan, reply: ModelReply, results: Results, *, outcome: Outcome | None
) -> list[NumberedEvent]:
    """Store a finished step and run its built-in tools; return the events that were stored.

    `results` are those of the calls that ran outside the database. `outcome` finishes the run with
    this step. Raises RunLost if the worker lost the run, NotFound if the conversation was deleted.
    """
    run = lock_run(turn.run, turn.worker)
    built_in = [call for call in reply.calls[: conf.MAX_TOOL_CALLS] if call["id"] not in results]
    lock_named_blocks(turn.conversation, built_in)
    usage = step_usage(reply, estimated_prompt=plan.tokens)
    stop_reason = outcome.stop_reason if outcome else None
    step = _new_step(turn, plan, stop_reason=stop_reason, usage=usage, model=reply.model)
    step.model_ns = reply.model_ns
    if conf.STEP_TRACES:
        step.trace = trace_of(plan.request, reply, step.model)
    messages = []
    if reply.text or reply.reasoning or reply.calls:
        messages.append(assistant_message(reply, reply.model or plan.request.handle))
    may_run = plan.may_run(reply.calls)
    returned = []
    started = time.monotonic_ns()
    for index, call in enumerate(reply.calls):
        if call["id"] in may_run:
            result = _call_tool(turn, call, index, results)
        else:
            result = refusal(call["function"]["name"], plan.allowed)
        returned.append(_call_result(call, result, plan.step_id))
    if returned:
        step.tools_ns = (reply.tools_ns or 0) + time.monotonic_ns() - started
    step.save(force_insert=True)
    messages += [result.message for result in returned]
    if reply.calls_awaiting_client:
        messages.append(
            Message(
                id=reply.approval_message_id,
                role=Role.APPROVAL,
                tool_calls=reply.calls_awaiting_client,
            )
        )
    for message in messages:
        message.step = step
    # The run's lock keeps positions in order; this one keeps deleted conversations as they are.
    lock_for_messages(turn.conversation, messages)
    insert_messages_after(plan.last_position, turn.conversation, messages, by=turn.by)
    if turn.step == 0:
        _input_of(run).update(step=step)
    run.usage = add_usage(run.usage, usage, step_count=plan.number)
    run.ttft_ns = turn.run.ttft_ns
    events = [*reply.final_events(), *(result.event for result in returned)]
    if outcome:
        events += finish_run(run, outcome)
    else:
        run.save(update_fields=["usage", "ttft_ns"])
    stored = turn.events.number(events)
    insert_events(stored)
    turn.step = plan.number
    _record(turn, plan.rules.called, [call for call in reply.calls if call["id"] in may_run])
    turn.last_result = returned[-1].message.text if returned else ""
    return stored


def _record(turn: Turn, called: Sequence[str], calls: list[dict[str, Any]]) -> None:
    """Record the calls of a step after those before it."""
    turn.called = (*called, *(call["function"]["name"] for call in calls))


def _input_of(run: Run) -> MessageQuerySet:
    """Return the messages that began a run, without the results and summaries it added."""
    sent = Q(role__in=[Role.USER, Role.SYSTEM, Role.ASSISTANT]) | Q(role=Role.TOOL, name=None)
    return Message.objects.filter(sent, run=run, step=None)


@transaction.atomic
def store_failed_step(turn: Turn, plan: StepPlan, error: str) -> None:
    """Record a call of the model that failed, and the blocks that it was sent."""
    lock_run(turn.run, turn.worker)
    _new_step(turn, plan, stop_reason="llm_api_error", error=error).save(force_insert=True)


def _new_step(
    turn: Turn,
    plan: StepPlan,
    *,
    stop_reason: str | None,
    usage: StepUsage | None = None,
    model: str = "",
    error: str = "",
) -> Step:
    run = turn.run
    return Step(
        id=plan.step_id,
        organization_id=run.organization_id,
        run=run,
        number=plan.number,
        model=model or plan.request.handle,
        stop_reason=stop_reason,
        usage=usage or {},
        error=error,
        blocks_seen=turn.blocks_seen,
        created_by_id=run.created_by_id,
        last_updated_by_id=run.created_by_id,
    )


class _CallResult(NamedTuple):
    message: Message
    event: Event


def _call_result(call: dict[str, Any], result: ToolResult, step_id: str | None) -> _CallResult:
    message = result_message(call, result)
    return _CallResult(message, result_event(call, message, result, step_id))


def _call_tool(turn: Turn, call: dict[str, Any], index: int, results: Results) -> ToolResult:
    if result := results.get(call["id"]):
        return result
    if index >= conf.MAX_TOOL_CALLS:
        text = f"Error: one step runs at most {conf.MAX_TOOL_CALLS} calls; call this one again"
        return ToolResult(text, is_error=True)
    return call_tool(turn.conversation, call, tools=turn.tools, by=turn.by)


@transaction.atomic
def repeat_sent_results(turn: Turn) -> list[NumberedEvent]:
    """Store the events of the results that began the run, once; return them."""
    run = lock_run(turn.run, turn.worker)
    if turn.events.last or turn.step:
        return []
    sent = _input_of(run).filter(role=Role.TOOL).order_by("created_at", "id")
    stored = turn.events.number(event for message in sent for event in sent_result_events(message))
    insert_events(stored)
    return stored


@transaction.atomic
def store_decisions(turn: Turn, results: Results) -> list[NumberedEvent]:
    """Run the approved calls, store a refusal for the declined ones; return their events.

    `results` are those of the calls that ran outside the database. The rest of the input, which
    may hold results of client tools, is stored with them.
    """
    lock_run(turn.run, turn.worker)
    decisions = {decision["tool_call_id"]: decision for decision in turn.request.decisions}
    awaiting = awaiting_message(turn.conversation)
    check_answers(awaiting, turn.request)
    calls = awaiting.tool_calls if awaiting else []
    decided = [call for call in calls if call["id"] in decisions]
    approved = [call for call in decided if decisions[call["id"]]["approve"]]
    built_in = [call for call in approved[: conf.MAX_TOOL_CALLS] if call["id"] not in results]
    lock_named_blocks(turn.conversation, built_in)
    returned = []
    for call in decided:
        decision = decisions[call["id"]]
        if decision["approve"]:
            result = _call_tool(turn, call, approved.index(call), results)
        else:
            # V1's text.
            text = f"Error: request to call tool denied. User reason: {decision.get('reason')}"
            result = ToolResult(text, is_error=True)
        returned.append(_call_result(call, result, None))
    # The results of client tools come first in the input, so all results follow the calls.
    sent = turn.request.messages()
    decided_message = decisions_message(turn.request.decisions)
    messages = [decided_message, *(result.message for result in returned), *sent]
    append_messages(turn.conversation, messages, by=turn.by)
    events = [result.event for result in returned]
    events += [event for message in sent for event in sent_result_events(message)]
    stored = turn.events.number(events)
    insert_events(stored)
    _record(turn, (), approved)
    turn.last_result = returned[-1].message.text if returned else ""
    return stored
