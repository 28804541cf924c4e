"""The answer to a turn, while the turn is being taken: as server-sent events, or whole.

A view answers a RunAnswer at once, and `FollowRuns` makes of it what the client asked for. So no
thread waits for a model, and no database connection is held meanwhile.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import orjson
from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from ..domain.events import Watch, follow
from ..domain.runs import messages_of_run
from ..domain.threads import in_database
from ..models import Message, Run
from .serializers.events import (
    represent_compaction,
    represent_event,
    represent_failure,
    represent_usage,
)
from .serializers.messages import represent_messages

PING_SECONDS = 20.0
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Form:
    """How the answer is wanted."""

    streaming: bool = True
    pings: bool = True
    types: list[str] | None = None
    speech: bool = True
    compaction: bool = False
    after: int = 0


class RunAnswer(HttpResponse):
    """Stands for the answer to a run until it is there."""

    def __init__(self, run: Run, form: Form, *, beginning: Watch | None = None):
        super().__init__()
        self.run, self.form, self.beginning = run, form, beginning
        if not connection.in_atomic_block:
            # This request may go on for minutes; others need the connection.
            connection.close()

    async def followed(self) -> HttpResponseBase:
        if self.form.streaming:
            return self._stream()
        async for _ in follow(self.run.pk, beginning=self.beginning):
            pass
        status, body = await in_database(whole_answer, self.run.pk, self.form)
        return HttpResponse(orjson.dumps(body), status=status, content_type="application/json")

    def _stream(self) -> StreamingHttpResponse:
        response = StreamingHttpResponse(
            _lines(self.run.pk, self.form, self.beginning),
            content_type="text/event-stream; charset=utf-8",
        )
        response["Cache-Control"] = "no-cache"
        response["X-Accel-Buffering"] = "no"  # nginx would keep small pieces back.
        return response


class FollowRuns:
    """Middleware that makes of a RunAnswer what the client gets."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request):
        if iscoroutinefunction(self):
            return self._followed(request)
        response = self.get_response(request)
        if isinstance(response, RunAnswer):
            # Under WSGI a thread waits, as for everything.
            response = async_to_sync(response.followed)()
            if response.streaming:
                response.streaming_content = _collected(response.streaming_content)
        return response

    async def _followed(self, request):
        response = await self.get_response(request)
        return await response.followed() if isinstance(response, RunAnswer) else response


def _collected(lines: AsyncIterator[bytes]):
    async def collect() -> list[bytes]:
        return [line async for line in lines]

    return async_to_sync(collect)()


async def _lines(run_id: str, form: Form, beginning: Watch | None) -> AsyncIterator[bytes]:
    quiet_since = time.monotonic()
    if form.pings:
        yield _ping(run_id)
    async for event in follow(run_id, after=form.after, beginning=beginning):
        if event is None:
            if form.pings and time.monotonic() - quiet_since >= PING_SECONDS:
                quiet_since = time.monotonic()
                yield _ping(run_id)
            continue
        if event.data["type"] == "summary" and not form.compaction:
            continue
        quiet_since = time.monotonic()
        for item in represent_event(run_id, event, types=form.types, speech=form.speech):
            name = b"event: error\n" if item["message_type"] == "error_message" else b""
            yield name + b"data: " + orjson.dumps(item) + b"\n\n"
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
    return b"data: " + orjson.dumps(ping) + b"\n\n"


def whole_answer(run_id: str, form: Form) -> tuple[int, dict]:
    """The status and body of the plain answer to a run that is over."""
    run = Run.objects.find(pk=run_id)
    if run is None:
        return 404, {"detail": f"Run not found with id='{run_id}': it was deleted meanwhile"}
    if run.status == Run.Status.FAILED:
        return represent_failure(run, run.events.order_by("-seq")[0].data)
    if run.metadata.get("run_type") == "compact":
        return 200, represent_compaction(run.events.get(data__type="summary").data)
    messages = [link.message for link in messages_of_run(run)]
    messages = [message for message in messages if _is_of_the_agent(message, form)]
    answer = {
        "messages": represent_messages(messages, form.types, speech=form.speech),
        "stop_reason": {"message_type": "stop_reason", "stop_reason": run.stop_reason},
        "usage": represent_usage(run.usage),
        "logprobs": None,
        "turns": None,
    }
    return 200, answer


def _is_of_the_agent(message: Message, form: Form) -> bool:
    """What the caller sent is not told again; the results of its own tools have no tool's name."""
    role = message.role
    if role == Message.Role.SUMMARY:
        return form.compaction
    is_result = role == Message.Role.TOOL and message.name is not None
    return is_result or role in (Message.Role.ASSISTANT, Message.Role.APPROVAL)
