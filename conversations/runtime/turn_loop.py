"""Taking a turn: the model is asked, its tools run, until it has nothing more to do.

Everything that is stored is stored by the verbs of `steps`, `compaction` and `runs`, each one
transaction; between them, nothing is held.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator

from ..domain.errors import DomainError, InvalidArgument, NotFound
from ..domain.runs.events import Event, RunLost
from ..domain.runs.finish import CANCELLED, Ending, end_run
from ..domain.turns.compaction import FULL, plan_compaction, store_compaction
from ..domain.turns.reply import SPEAKING_TOOL, Reply
from ..domain.turns.steps import (
    StepPlan,
    Turn,
    begin_turn,
    end_cancelled,
    plan_step,
    store_failed_step,
    store_step,
)
from ..llm.client import ask
from ..llm.requests import ModelError, Piece
from ..models import Run
from .broker import tell_watchers
from .database import in_database
from .event_writer import EventWriter

logger = logging.getLogger(__name__)

# Of one answer of a model, however steadily it comes.
ANSWER_TIMEOUT = 1800.0

Status = Run.Status


async def take_turn(run: Run, *, worker: str, writer: EventWriter) -> None:
    """Take the turn of a run that is this process's, to its end.

    Whatever happens, the run ends: completed, failed or, when the task is cancelled, cancelled.
    """
    told: list[Event] = []
    try:
        ending = await _ending_of(run, worker, writer)
        if ending is not None:
            await writer.settle()  # The last events are numbered after those that are stored.
            told = await in_database(end_run, run, ending, worker=worker)
    except RunLost:
        logger.info("%s is no longer this process's", run.pk)
    except asyncio.CancelledError:
        told = await asyncio.shield(_end_cancelled(run, worker, writer))
    except Exception:
        # The database failed. Nobody speaks for the run any more, so it is freed as a dead one's.
        logger.exception("%s could not be ended", run.pk)
        return
    tell_watchers(run.pk, told, is_over=True)


async def _end_cancelled(run: Run, worker: str, writer: EventWriter) -> list[Event]:
    await writer.settle()
    try:
        return await in_database(end_cancelled, run, worker)
    except RunLost:
        return []


async def _ending_of(run: Run, worker: str, writer: EventWriter) -> Ending | None:
    """How the run is to end; None when its last step has ended it."""
    try:
        turn, events, plan = await in_database(_begin, run, worker)
        tell_watchers(run.pk, events)
        if turn.request.compaction is not None:
            await _compact(turn, mode=turn.request.compaction.get("mode") or "sliding_window")
            return Ending(Status.COMPLETED, "end_turn")
        await _take_steps(turn, plan, writer)
        return None
    except ModelError as error:
        return Ending(Status.FAILED, "llm_api_error", error.type, error.message, error.detail)
    except NotFound:
        return CANCELLED  # The conversation was deleted meanwhile.
    except DomainError as error:
        return Ending(Status.FAILED, "error", "invalid_argument", str(error))
    except (RunLost, asyncio.CancelledError):
        raise
    except Exception:
        logger.exception("%s failed", run.pk)
        return Ending(
            Status.FAILED, "error", "internal_error", "The server failed; its log says why."
        )


def _begin(run: Run, worker: str) -> tuple[Turn, list[Event], StepPlan]:
    """In one go: the caller waits for the first token."""
    turn, events = begin_turn(run, worker)
    return turn, events, plan_step(turn)


async def _take_steps(turn: Turn, plan: StepPlan, writer: EventWriter) -> None:
    while True:
        if plan.tokens > turn.limit * FULL:
            plan = await _make_room(turn, plan)
        try:
            reply = await _ask_model(turn, plan, writer)
        except ModelError as error:
            if error.is_context_overflow and await _compacted(turn):
                plan = await in_database(plan_step, turn)
                continue
            await in_database(store_failed_step, turn, plan, str(error))
            raise
        stop_reason = _stop_reason(turn, plan, reply)
        ending = Ending(Status.COMPLETED, stop_reason) if stop_reason else None
        events = await in_database(store_step, turn, plan, reply, ending=ending)
        tell_watchers(turn.run.pk, events)
        if ending:
            return
        plan = await in_database(plan_step, turn)


def _stop_reason(turn: Turn, plan: StepPlan, reply: Reply) -> str | None:
    """Why the turn ends with this step; None when it goes on."""
    if reply.held_calls:
        return "requires_approval"
    if not reply.calls:
        return "max_tokens_exceeded" if reply.finish_reason == "length" else "end_turn"
    if any(call["function"]["name"] == SPEAKING_TOOL for call in reply.calls):
        return "end_turn"
    return "max_steps" if plan.number >= turn.request.max_steps else None


async def _ask_model(turn: Turn, plan: StepPlan, writer: EventWriter) -> Reply:
    """The model's whole answer; its pieces are told as they come."""
    reply = Reply(plan.step_id, held=turn.held, stream_tokens=turn.request.stream_tokens)
    started = time.monotonic_ns()
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            async for piece in ask(plan.request):
                if turn.run.ttft_ns is None:
                    turn.run.ttft_ns = time.monotonic_ns() - started
                if event := reply.add(piece):
                    writer.write(turn.run.pk, turn.next_event(event))
    except TimeoutError:
        raise _too_slow() from None
    except asyncio.CancelledError:
        await asyncio.shield(_store_cut_off(turn, plan, reply, writer))
        raise
    await writer.flush(turn.run.pk)
    return reply


async def _store_cut_off(turn: Turn, plan: StepPlan, reply: Reply, writer: EventWriter) -> None:
    """Keep what was asked and what the model had said when the turn was cancelled."""
    reply.drop_calls()
    await writer.settle()
    try:
        events = await in_database(store_step, turn, plan, reply, ending=CANCELLED)
    except (RunLost, NotFound):
        return
    tell_watchers(turn.run.pk, events)


async def _make_room(turn: Turn, plan: StepPlan) -> StepPlan:
    """Compact a conversation that no longer fits, and plan the step anew."""
    if not await _compacted(turn):
        return plan  # The provider has the last word on what fits.
    return await in_database(plan_step, turn)


async def _compacted(turn: Turn) -> bool:
    try:
        await _compact(turn)
    except InvalidArgument:
        return False
    return True


async def _compact(turn: Turn, *, mode: str = "sliding_window") -> None:
    plan = await in_database(plan_compaction, turn, mode=mode)
    summary = await _text_of(ask(plan.request))
    if not summary.strip():
        raise ModelError(
            "llm_error",
            "An error occurred with the LLM request.",
            "The summary is empty",
            status=500,
        )
    event = await in_database(store_compaction, turn, plan, summary)
    tell_watchers(turn.run.pk, [event])


async def _text_of(pieces: AsyncIterator[Piece]) -> str:
    reply = Reply("")
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            async for piece in pieces:
                reply.add(piece)
    except TimeoutError:
        raise _too_slow() from None
    return reply.text


def _too_slow() -> ModelError:
    detail = f"The answer took longer than {ANSWER_TIMEOUT:.0f} s"
    return ModelError("llm_timeout", "The LLM request timed out.", detail, status=504)
