"""The loop of a turn: call the model, run its tools, until it has nothing more to do.

Every write is one transaction of `domain`; nothing is locked or open in between.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, TypeVar

from ..context import bind
from ..domain.errors import DomainError, NotFound, NothingToCompact
from ..domain.runs.events import NumberedEvent, RunLost
from ..domain.runs.finish import CANCELLED, Outcome, end_run
from ..domain.runs.recovery import release_run
from ..domain.tools.execution import ToolResult
from ..domain.turns.compaction import (
    COMPACTION_THRESHOLD,
    Mode,
    plan_compaction,
    store_compaction,
)
from ..domain.turns.reply import SEND_MESSAGE_TOOL, ModelReply
from ..domain.turns.steps import (
    StepPlan,
    Turn,
    begin_turn,
    plan_step,
    repeat_sent_results,
    store_decisions,
    store_failed_step,
    store_step,
)
from ..llm.client import ask
from ..llm.errors import ModelError
from ..models import Run
from ..tenancy import act_for
from ..tracing import OPERATION, fail, span
from . import replies
from .broker import EventBroker
from .database import CommitUnknown, in_database_when_available
from .event_writer import EventWriter
from .fair_slots import FairSlots
from .tool_runners.calls import ExternalCall, external_calls, run_calls
from .tool_runners.runner import CallContext
from .tool_runners.runners import ToolRunners

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)

CANCELLED_CALL = ToolResult("Error: the run was cancelled", is_error=True)

Status = Run.Status
# A tool call in its stored shape.
Call = dict[str, Any]


class TurnLoop:
    """Executes one run of this process's worker.

    If `releases` is true, a cancelled task leaves the run to another worker.
    """

    releases = False

    def __init__(
        self,
        run: Run,
        *,
        worker: str,
        broker: EventBroker,
        writer: EventWriter,
        slots: FairSlots,
        runners: ToolRunners,
    ):
        self.run, self.worker, self.broker, self.writer = run, worker, broker, writer
        self.slots, self.runners = slots, runners

    async def run_turn(self) -> None:
        """Execute the run until it is over: completed, failed or cancelled.

        It waits for a slot of its organization first, keeping its lease.
        """
        act_for(self.run.organization_id)
        bind(
            organization=self.run.organization_id,
            conversation=self.run.conversation_id,
            run=self.run.pk,
        )
        events: list[NumberedEvent] = []
        try:
            async with self.slots.hold(self.run.organization_id):
                outcome = await self._execute_traced()
            if outcome is not None:
                await self.writer.drain()  # The last events are numbered after the stored ones.
                events = await in_database_when_available(
                    end_run, self.run, outcome, worker=self.worker
                )
        except (RunLost, CommitUnknown):
            logger.info("The worker lost %s", self.run.pk)
        except asyncio.CancelledError:
            events = await asyncio.shield(self._cancel())
        except Exception:
            # No worker owns the run now; another will resume it.
            logger.exception("Finishing %s failed", self.run.pk)
            return
        await self.broker.publish_end(self.run.pk, events)

    async def _execute_traced(self) -> Outcome | None:
        attributes = {
            OPERATION: "invoke_agent",
            "gen_ai.agent.id": self.run.agent_id,
            "gen_ai.conversation.id": self.run.conversation_id,
            "palimpsest.run.id": self.run.pk,
        }
        with span("invoke_agent", attributes) as turn_span:
            outcome = await self._execute()
            if outcome is not None and outcome.error_type:
                fail(turn_span, outcome.error_type)
            return outcome

    async def _cancel(self) -> list[NumberedEvent]:
        await self.writer.drain()
        try:
            if self.releases:
                await in_database_when_available(release_run, self.run, self.worker)
                return []
            return await in_database_when_available(
                end_run, self.run, CANCELLED, worker=self.worker
            )
        except (RunLost, CommitUnknown):
            return []

    async def _execute(self) -> Outcome | None:
        """Run all steps; return how to finish the run, None if its last step has finished it."""
        try:
            turn, plan = await self._begin()
            if turn.request.compaction is not None:
                outcome = Outcome(Status.COMPLETED, "end_turn")
                mode = turn.request.compaction.get("mode")
                await self._compact(turn, mode=mode, outcome=outcome)
                return None
            await self._run_steps(turn, plan)
            return None
        except ModelError as error:
            logger.warning("%s: %s %r", self.run.pk, error, error.cause)
            return Outcome(
                Status.FAILED,
                "llm_api_error",
                *(error.type, error.message, error.detail, error.retry_after),
            )
        except NotFound:
            return CANCELLED  # The conversation was deleted.
        except NothingToCompact as error:
            return Outcome(Status.FAILED, "error", "nothing_to_compact", str(error))
        except DomainError as error:
            return Outcome(Status.FAILED, "error", "invalid_argument", str(error))
        except (RunLost, CommitUnknown, asyncio.CancelledError):
            raise
        except Exception:
            logger.exception("%s failed", self.run.pk)
            error_text = "The server failed; its log says why."
            return Outcome(Status.FAILED, "error", "internal_error", error_text)

    async def _begin(self) -> tuple[Turn, StepPlan]:
        # In one call to a database thread, because the client waits for the first token.
        turn, plan = await in_database_when_available(_begin, self.run, self.worker)
        if plan is None:
            results = await self._run_external(turn, self._external(turn, turn.approved or []))
            await self.broker.publish(await self._store(store_decisions, turn, results))
            plan = await in_database_when_available(plan_step, turn)
        elif any(message["role"] == "tool" for message in turn.request.input):
            await self.broker.publish(await self._store(repeat_sent_results, turn))
        return turn, plan

    async def _run_steps(self, turn: Turn, plan: StepPlan) -> None:
        while True:
            plan = await self._compact_if_full(turn, plan)
            try:
                reply = await self._ask_model(turn, plan)
            except ModelError as error:
                if error.type == "context_window_exceeded" and await self._try_to_compact(turn):
                    plan = await in_database_when_available(plan_step, turn)
                    continue
                await in_database_when_available(store_failed_step, turn, plan, str(error))
                raise
            reply.set_arguments(plan.rules.arguments_for)
            stop_reason = _stop_reason(turn, plan, reply)
            outcome = Outcome(Status.COMPLETED, stop_reason) if stop_reason else None
            results = await self._run_tools(turn, plan, reply)
            events = await self._store(store_step, turn, plan, reply, results, outcome=outcome)
            await self.broker.publish(events)
            if outcome:
                return
            plan = await in_database_when_available(plan_step, turn)

    async def _ask_model(self, turn: Turn, plan: StepPlan) -> ModelReply:
        """Call the model; store and publish its chunks as they arrive; return the whole reply."""
        reply = ModelReply(
            plan.step_id, client_tools=turn.client_tools, stream_tokens=turn.request.stream_tokens
        )
        started = time.monotonic_ns()
        try:
            async with asyncio.timeout(replies.REPLY_TIMEOUT):
                async for chunk in ask(plan.request):
                    if turn.run.ttft_ns is None:
                        turn.run.ttft_ns = time.monotonic_ns() - started
                    if event := reply.add(chunk):
                        for stored in turn.events.number([event]):
                            self.writer.write(stored)
        except TimeoutError:
            raise replies.timeout_error() from None
        except asyncio.CancelledError:
            if not self.releases:
                await asyncio.shield(self._store_interrupted_step(turn, plan, reply))
            raise
        reply.model_ns = time.monotonic_ns() - started
        await self.writer.flush(turn.run.pk)
        return reply

    async def _run_tools(
        self, turn: Turn, plan: StepPlan, reply: ModelReply
    ) -> dict[str, ToolResult]:
        """Run the calls of a reply that leave the database; clients see the calls before."""
        may_run = plan.may_run(reply.calls)
        calls = self._external(turn, [call for call in reply.calls if call["id"] in may_run])
        if not calls:
            return {}
        for stored in turn.events.number(reply.announce()):
            self.writer.write(stored)
        try:
            await self.writer.flush(turn.run.pk)
            started = time.monotonic_ns()
            results = await self._run_external(turn, calls)
            reply.tools_ns = time.monotonic_ns() - started
            return results
        except asyncio.CancelledError:
            if not self.releases:
                await asyncio.shield(self._store_interrupted_calls(turn, plan, reply))
            raise

    def _external(self, turn: Turn, calls: list[Call]) -> list[ExternalCall]:
        return external_calls(calls, tools=turn.tools, runners=self.runners)

    async def _run_external(self, turn: Turn, calls: list[ExternalCall]) -> dict[str, ToolResult]:
        return await run_calls(calls, CallContext(turn.by, turn.conversation))

    async def _store_interrupted_calls(self, turn: Turn, plan: StepPlan, reply: ModelReply) -> None:
        """Finish a cancelled run with its calls, of which none counts as done."""
        results = {call["id"]: CANCELLED_CALL for call in reply.calls}
        await self._store_cancelled(turn, plan, reply, results)

    async def _store_interrupted_step(self, turn: Turn, plan: StepPlan, reply: ModelReply) -> None:
        """Finish a cancelled run with what was asked and what the model has said so far."""
        reply.drop_calls()
        await self._store_cancelled(turn, plan, reply, {})

    async def _store_cancelled(
        self, turn: Turn, plan: StepPlan, reply: ModelReply, results: dict[str, ToolResult]
    ) -> None:
        await self.writer.drain()
        try:
            events = await self._store(store_step, turn, plan, reply, results, outcome=CANCELLED)
        except (RunLost, CommitUnknown, NotFound):
            return
        await self.broker.publish(events)

    async def _store(
        self,
        function: Callable[Concatenate[Turn, P], R],
        turn: Turn,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Store something of the turn; each try numbers its events and steps alike."""
        last, step = turn.events.last, turn.step

        def store() -> R:
            turn.events.last, turn.step = last, step
            return function(turn, *args, **kwargs)

        return await in_database_when_available(store)

    async def _compact_if_full(self, turn: Turn, plan: StepPlan) -> StepPlan:
        is_full = plan.tokens > turn.context_window_limit * COMPACTION_THRESHOLD
        # If nothing can be compacted, the provider decides whether the request fits.
        if is_full and await self._try_to_compact(turn):
            return await in_database_when_available(plan_step, turn)
        return plan

    async def _try_to_compact(self, turn: Turn) -> bool:
        try:
            await self._compact(turn)
        except NothingToCompact:
            return False
        return True

    async def _compact(
        self, turn: Turn, *, mode: Mode | None = None, outcome: Outcome | None = None
    ) -> None:
        plan = await in_database_when_available(
            plan_compaction, turn, mode=mode or "sliding_window"
        )
        reply = await replies.complete(plan.request)
        if not reply.text.strip():
            raise ModelError("llm_error", "The summary is empty")
        events = await self._store(store_compaction, turn, plan, reply, outcome=outcome)
        await self.broker.publish(events)


def _begin(run: Run, worker: str) -> tuple[Turn, StepPlan | None]:
    """Begin a turn, and plan its first step unless the client's decisions come before it."""
    turn = begin_turn(run, worker)
    return turn, plan_step(turn) if turn.approved is None else None


def _stop_reason(turn: Turn, plan: StepPlan, reply: ModelReply) -> str | None:
    """Return why the turn ends with this step, None if it continues."""
    if reply.calls_awaiting_client:
        return "requires_approval"
    may_run = plan.may_run(reply.calls)
    names = [call["function"]["name"] for call in reply.calls if call["id"] in may_run]
    if any(plan.rules.ends_turn(name) for name in names):
        return "tool_rule"
    is_sent = SEND_MESSAGE_TOOL in names and not plan.rules.continues_turn(SEND_MESSAGE_TOOL)
    if is_sent or not reply.calls:
        called = replace(plan.rules, called=(*plan.rules.called, *names))
        turn.is_exit_refused = bool(called.missing_before_exit(turn.tools))
        if not turn.is_exit_refused:
            is_cut = not is_sent and reply.finish_reason == "length"
            return "max_tokens_exceeded" if is_cut else "end_turn"
    return "max_steps" if plan.number >= turn.request.max_steps else None
