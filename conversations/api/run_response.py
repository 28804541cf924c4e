"""Responses to a turn: a stream of its events, or the whole answer when the run is over."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Any, NamedTuple
from uuid import uuid4

from django.db import connection
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from ..domain.errors import EventsRemoved
from ..domain.runs.events import ErrorEvent, SummaryEvent, from_json
from ..domain.runs.leases import messages_of_run
from ..models import Message, Run
from ..runtime.broker import Pause, Subscription
from ..runtime.runtime import get_runtime
from .http.errors import RETRY_AFTER
from .http.renderers import dumped
from .shapes.events import compaction_json, event_json, failure_json, usage_json
from .shapes.messages import messages_json
from .shapes.turns import LettaResponseJSON
from .waiting import wait_for

# Without events for this long, a stream sends a ping, so that proxies keep the connection. Seconds.
PING_INTERVAL = 20.0
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class ResponseOptions:
    """The form of the response that a client wants.

    Args:
        pings: Send pings in a stream.
        types: The V1 message types to show; None shows all.
        shows_sent_messages: Show calls of `send_message` as assistant messages.
        shows_compactions: Show the summaries of compactions.
        after: The number of the last event of the stream that the client has seen.
    """

    streaming: bool = True
    pings: bool = True
    types: list[str] | None = None
    shows_sent_messages: bool = True
    shows_compactions: bool = False
    after: int = 0


def respond(
    request: Request,
    run: Run,
    options: ResponseOptions,
    *,
    subscription: Subscription | None = None,
) -> HttpResponseBase:
    """Return the response to a run that may still be active.

    `subscription` is one from before the run's first event. A stream is sent while the run goes
    on; otherwise the thread waits here, without a database connection. Raises EventsRemoved for an
    old run whose response needs them.
    """
    needs_events = options.streaming or run.status == Run.Status.FAILED or run.is_compaction
    if run.events_removed and needs_events:
        raise EventsRemoved(run.pk)
    if options.streaming:
        if not connection.in_atomic_block:
            connection.close()
        return RunResponse(run, options, subscription)
    wait_for(request, _wait_until_over(run, subscription))
    status, body, retry_after = whole_answer(run.pk, options)
    headers = {} if retry_after is None else {"Retry-After": str(ceil(retry_after))}
    return Response(body, status=status, headers=headers)


async def _wait_until_over(run: Run, subscription: Subscription | None) -> None:
    events = get_runtime().broker.follow(run, subscription=subscription)
    async with aclosing(events):
        async for _ in events:
            pass


class RunResponse(StreamingHttpResponse):
    """A run's events as server-sent events, as they happen.

    An ASGI server iterates over it in its event loop: a stream takes no thread. Under WSGI, the
    thread of the request runs an event loop of its own.
    """

    def __init__(self, run: Run, options: ResponseOptions, subscription: Subscription | None):
        super().__init__(
            _lines(run, options, subscription),
            content_type="text/event-stream; charset=utf-8",
            headers={"X-Accel-Buffering": "no"},  # nginx would hold back small chunks.
        )
        self._subscription = subscription

    def __iter__(self) -> Iterator[bytes]:
        lines = aiter(self)

        async def next_line() -> bytes | None:
            return await anext(lines, None)

        with asyncio.Runner() as runner:
            while (line := runner.run(next_line())) is not None:
                yield line

    def close(self) -> None:
        if self._subscription is not None:
            # The client may have left before the first event was read.
            self._subscription.close()
        super().close()


async def _lines(
    run: Run, options: ResponseOptions, subscription: Subscription | None
) -> AsyncIterator[bytes]:
    last_sent = time.monotonic()
    if options.pings:
        yield _ping(run.pk)
    events = get_runtime().broker.follow(run, after=options.after, subscription=subscription)
    async with aclosing(events):
        async for stored in events:
            if stored is Pause.SHUTDOWN:
                if options.pings:
                    yield _ping(run.pk)
                yield b": The server is restarting. Resume the stream with starting_after.\n\n"
                return
            if stored is Pause.IDLE:
                if options.pings and time.monotonic() - last_sent >= PING_INTERVAL:
                    last_sent = time.monotonic()
                    yield _ping(run.pk)
                continue
            if isinstance(stored.event, SummaryEvent) and not options.shows_compactions:
                continue
            last_sent = time.monotonic()
            name = b"event: error\n" if isinstance(stored.event, ErrorEvent) else b""
            for item in event_json(
                stored, types=options.types, shows_sent_messages=options.shows_sent_messages
            ):
                yield name + b"data: " + dumped(item) + b"\n\n"
    yield DONE


def _ping(run_id: str) -> bytes:
    ping = {
        "id": f"ping-{uuid4()}",
        "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}+00:00",
        "name": None,
        "message_type": "ping",
        "otid": None,
        "sender_id": None,
        "step_id": None,
        "is_err": None,
        "seq_id": None,
        "run_id": run_id,
    }
    return b"data: " + dumped(ping) + b"\n\n"


class WholeAnswer(NamedTuple):
    """The status and the body of a response that is not streamed."""

    status: int
    body: Mapping[str, Any]
    retry_after: float | None = None


def whole_answer(run_id: str, options: ResponseOptions) -> WholeAnswer:
    """Return the response to a run that is over, or that this process can no longer wait for."""
    run = Run.objects.get_or_none(pk=run_id)
    if run is None:
        detail = f"Run not found with id='{run_id}': it was deleted meanwhile"
        return WholeAnswer(404, {"detail": detail})
    if run.status in Run.UNFINISHED:
        detail = f"The server is restarting; run '{run_id}' continues. Follow it, or try again"
        return WholeAnswer(503, {"detail": detail, "run_id": run_id}, RETRY_AFTER)
    if run.status == Run.Status.FAILED:
        error = from_json(run.events.order_by("-seq")[0].data)
        assert isinstance(error, ErrorEvent)  # noqa: S101 (`finish_run` stores it last)
        return WholeAnswer(*failure_json(run, error), error.retry_after)
    if run.is_compaction:
        if run.status == Run.Status.CANCELLED:
            detail = "CONFLICT: The compaction was cancelled"
            return WholeAnswer(409, {"detail": detail, "run_id": run_id})
        summary = from_json(run.events.get(data__type="summary").data)
        assert isinstance(summary, SummaryEvent)  # noqa: S101 (by the query)
        return WholeAnswer(200, compaction_json(summary))
    messages = [link.message for link in messages_of_run(run)]
    messages = [message for message in messages if _is_shown(message, options)]
    answer: LettaResponseJSON = {
        "messages": messages_json(messages, options.types, speech=options.shows_sent_messages),
        "stop_reason": {"message_type": "stop_reason", "stop_reason": run.stop_reason},
        "usage": usage_json(run.usage),
        "logprobs": None,
        "turns": None,
    }
    return WholeAnswer(200, answer)


def _is_shown(message: Message, options: ResponseOptions) -> bool:
    # Not what the caller sent, which includes results of client tools: those have no tool's name.
    role = message.role
    if role == Message.Role.SUMMARY:
        return options.shows_compactions
    if role == Message.Role.APPROVAL:
        return bool(message.tool_calls)
    return role in (Message.Role.ASSISTANT, Message.Role.TOOL)
