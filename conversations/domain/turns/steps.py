"""One step of a turn: what the model is shown, and what is stored when it has answered.

A step is stored whole, in one transaction: what the model said, what its tools did to memory and
what they answered. A process that dies leaves whole steps only.
"""

from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Case, F, When

from ...conf import conf
from ...ids import new_id
from ...llm.requests import ModelRequest
from ...models import Conversation, Message, Run, Step
from ..actor import Actor, Source
from ..conversations.messages import append_messages
from ..errors import UnknownId
from ..memory.effective import block_versions_of
from ..memory.prompt import BlockSeen, blocks_seen, context_window, is_stale, recompile
from ..model_handles import check_model_handle
from ..runs.events import Event, insert_events
from ..runs.finish import CANCELLED, Ending, end_locked_run
from ..runs.leases import lock_run
from ..runs.start import TurnRequest, check_answers, pending_calls
from ..tools.execution import ToolResult, call_tool, lock_named_blocks
from .messages import assistant_message, input_message, result_event, result_message
from .model_request import model_request, request_tokens
from .reply import Reply
from .usage import add_usage, step_usage

Role = Message.Role


@dataclass
class Turn:
    """A run while this process takes it."""

    run: Run
    conversation: Conversation
    request: TurnRequest
    worker: str
    input: list[Message]
    held: frozenset[str]
    isolated: set[str] = field(default_factory=set)
    blocks_seen: list[BlockSeen] = field(default_factory=list)
    step: int = 0
    seq: int = 0

    @property
    def by(self) -> Actor:
        return Actor(self.run.created_by, Source.TOOL, self.run)

    @property
    def limit(self) -> int:
        own = self.conversation.context_window_limit
        return own or self.conversation.agent.context_window_limit

    def next_event(self, data: dict) -> Event:
        self.seq += 1
        return Event(self.seq, data)


@dataclass(frozen=True)
class StepPlan:
    """A step about to be taken."""

    step_id: str
    number: int
    request: ModelRequest
    tokens: int


def begin_turn(run: Run, worker: str) -> tuple[Turn, list[Event]]:
    """Bring the prompt that a turn begins with up to date, and do what was approved.

    The run comes with its conversation and agent, read when it was started or claimed.
    """
    conversation = run.conversation
    if conversation.deleted_at or conversation.agent.deleted_at:
        raise UnknownId(Conversation, run.conversation_id)
    request = TurnRequest.of(run)
    asking = frozenset(tool["name"] for tool in request.client_tools)
    turn = Turn(
        run,
        conversation,
        request,
        worker,
        input=[input_message(message) for message in request.input],
        held=asking | frozenset(conversation.agent.approval_tools),
    )
    versions = block_versions_of([conversation])[conversation.pk]
    turn.isolated = {read.block_id for read in versions if read.isolation_id}
    if is_stale(conversation, versions) and conf.PROMPT_REFRESH == "on_change":
        recompile(conversation)
    return turn, _carry_out(turn) if request.decisions else []


def plan_step(turn: Turn) -> StepPlan:
    """What the model will be sent now."""
    # With the system message in one query, so that no edit comes between it and what it says.
    compiled_from = Case(When(position=0, then=F("conversation__compiled_from")))
    links = turn.conversation.message_links.in_context().annotate(compiled_from=compiled_from)
    shown = list(links.select_related("message"))
    sends = turn.request.compaction is None and not turn.request.decisions
    if turn.step == 0 and sends:
        newest = [link.message for link in shown[-1:] if link.message.role == Role.APPROVAL]
        check_answers([call["id"] for each in newest for call in each.tool_calls], turn.request)
    if compiled := getattr(shown[0], "compiled_from", None) if shown else None:
        turn.blocks_seen = blocks_seen(compiled, turn.isolated)
    messages = [link.message for link in shown]
    if turn.step == 0:
        messages += turn.input
    labels = [read["label"] for read in turn.blocks_seen]
    request = model_request(turn.conversation, messages, turn.request, labels=labels)
    return StepPlan(new_id("step"), turn.step + 1, request, request_tokens(request))


def preview_request(conversation: Conversation, request: TurnRequest) -> ModelRequest:
    """What the model would be sent if this were asked now. Stores nothing."""
    check_model_handle(request.model or conversation.model or conversation.agent.model)
    window = context_window(conversation)
    messages = [*window.messages, *(input_message(message) for message in request.input)]
    return model_request(conversation, messages, request, labels=window.labels)


@transaction.atomic
def store_step(turn: Turn, plan: StepPlan, reply: Reply, *, ending: Ending | None) -> list[Event]:
    """Store a step that is done, run its tools, and answer the events of that.

    `ending` ends the run with it.

    Raises RunLost if the run is no longer this process's, NotFound if its conversation was deleted.
    """
    run = lock_run(turn.run, turn.worker)
    lock_named_blocks(turn.conversation, reply.calls)
    usage = step_usage(reply, estimated_prompt=plan.tokens)
    step = Step.objects.create(
        id=plan.step_id,
        organization_id=run.organization_id,
        run=run,
        number=plan.number,
        model=plan.request.handle,
        stop_reason=ending.stop_reason if ending else None,
        usage=usage,
        blocks_seen=turn.blocks_seen,
        created_by_id=run.created_by_id,
        last_updated_by_id=run.created_by_id,
    )
    messages = [*turn.input] if turn.step == 0 else []
    if reply.text or reply.reasoning or reply.calls:
        messages.append(assistant_message(reply, plan.request.handle))
    events = reply.whole_events()
    results, told = _run_calls(turn, reply.calls, plan.step_id)
    messages += results
    if reply.held_calls:
        messages.append(
            Message(id=reply.held_message_id, role=Role.APPROVAL, tool_calls=reply.held_calls)
        )
    for message in messages:
        message.step = step
    append_messages(turn.conversation, messages, by=turn.by)
    run.usage = add_usage(run.usage, usage, step_count=plan.number)
    run.ttft_ns = turn.run.ttft_ns
    # Told in the order in which they happened, and stored with what they tell of.
    numbered = [turn.next_event(data) for data in [*events, *told]]
    if ending:
        # Pieces of the answer are stored already, and count.
        numbered += end_locked_run(run, ending, told=numbered, last=turn.seq)
    else:
        run.save(update_fields=["usage", "ttft_ns"])
        insert_events((run.pk, event) for event in numbered)
    turn.step = plan.number
    return numbered


@transaction.atomic
def store_failed_step(turn: Turn, plan: StepPlan, error: str) -> None:
    """Record that the model was called in vain, and what it was shown."""
    run = lock_run(turn.run, turn.worker)
    Step.objects.create(
        id=plan.step_id,
        organization_id=run.organization_id,
        run=run,
        number=plan.number,
        model=plan.request.handle,
        stop_reason="llm_api_error",
        error=error,
        blocks_seen=turn.blocks_seen,
        created_by_id=run.created_by_id,
        last_updated_by_id=run.created_by_id,
    )


@transaction.atomic
def end_cancelled(run: Run, worker: str) -> list[Event]:
    """End a run that was cancelled, and answer its last events. What it was asked is kept, also
    when it never came to a step. RunLost if it is another's."""
    locked = lock_run(run, worker)
    # Deleting a conversation waits for the lock of its run.
    is_live = Conversation.objects.live().filter(pk=run.conversation_id).exists()
    if is_live and not locked.steps.exists():
        carried_out = locked.messages.exists()  # And the results of the client's tools with it.
        asked = [
            input_message(message)
            for message in TurnRequest.of(locked).input
            if not (carried_out and message["role"] == Role.TOOL)
        ]
        append_messages(run.conversation, asked, by=Actor(run.created_by, Source.TOOL, run))
    return end_locked_run(locked, CANCELLED)


def _run_calls(turn: Turn, calls: list[dict], step_id: str) -> tuple[list[Message], list[dict]]:
    """Run the calls; their results as messages, and the events that tell of them."""
    messages, events = [], []
    allowed = turn.conversation.agent.tools
    for call in calls:
        result = call_tool(turn.conversation, call, allowed=allowed, by=turn.by)
        message = result_message(call, result)
        messages.append(message)
        events.append(result_event(call, message, result, step_id))
    return messages, events


@transaction.atomic
def _carry_out(turn: Turn) -> list[Event]:
    """Run the tools that were approved; tell the model of those that were not."""
    run = lock_run(turn.run, turn.worker)
    decisions = {decision["tool_call_id"]: decision for decision in turn.request.decisions}
    pending = pending_calls(turn.conversation)
    check_answers([call["id"] for call in pending], turn.request)
    calls = [call for call in pending if call["id"] in decisions]
    approved = [call for call in calls if decisions[call["id"]]["approve"]]
    lock_named_blocks(turn.conversation, approved)
    messages, told = [], []
    for call in calls:
        if call in approved:
            allowed = turn.conversation.agent.tools
            result = call_tool(turn.conversation, call, allowed=allowed, by=turn.by)
        else:
            reason = decisions[call["id"]].get("reason")
            text = "Error: the user declined this call" + (f": {reason}" if reason else "")
            result = ToolResult(text, is_error=True)
        message = result_message(call, result)
        messages.append(message)
        told.append(result_event(call, message, result, None))
    # What the client's own tools returned is as final as what these did.
    messages += [message for message in turn.input if message.role == Role.TOOL]
    turn.input = [message for message in turn.input if message.role != Role.TOOL]
    append_messages(turn.conversation, messages, by=turn.by)
    numbered = [turn.next_event(data) for data in told]
    insert_events((run.pk, event) for event in numbered)
    return numbered
