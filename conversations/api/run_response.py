"""The answer to a turn, while the turn is being taken: as server-sent events, or whole.

The view ends at once and leaves a RunAnswer, which is sent while the run goes on. So no thread
waits for a model, and no database connection is held meanwhile.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from asgiref.sync import async_to_sync
from django.http import HttpResponse

from ..domain.runs.leases import messages_of_run
from ..models import Message, Run
from ..runtime.broker import Watch, follow
from ..runtime.database import in_database
from .http.renderers import dumped
from .serializers.events import (
    represent_compaction,
    represent_event,
    represent_failure,
    represent_usage,
)
from .shapes.messages import messages_json

logger = logging.getLogger(__name__)

PING_INTERVAL = 20.0
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


# Under this name a view leaves its RunAnswer in the ASGI scope, and project/asgi.py sends it.
ANSWER = "conversations.answer"


class RunAnswer:
    """The answer to a run, as soon as there is one."""

    def __init__(self, run_id: str, form: Form, beginning: Watch | None):
        self.run_id, self.form, self.beginning = run_id, form, beginning

    async def whole(self) -> tuple[int, bytes]:
        """The status and body, when the run is over."""
        try:
            async for _ in follow(self.run_id, beginning=self.beginning):
                pass
            status, body = await in_database(whole_answer, self.run_id, self.form)
        except Exception:
            # No view is there any more to answer for it.
            logger.exception("The answer to %s failed", self.run_id)
            status, body = 500, {"detail": "An unknown error occurred"}
        return status, dumped(body)

    def lines(self) -> AsyncIterator[bytes]:
        """Server-sent events, as they happen."""
        return _lines(self.run_id, self.form, self.beginning)

    async def send(self, receive, send, headers: list[tuple[bytes, bytes]]) -> None:
        """Answer by ASGI, with the headers that every response has, until the client goes."""
        sending = asyncio.create_task(self._send(send, headers))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            sending.cancel()
            leaving.cancel()
            if self.beginning:
                self.beginning.close()  # The client may have gone before anybody listened.

    async def _send(self, send, headers: list[tuple[bytes, bytes]]) -> None:
        status, body = (200, b"") if self.form.streaming else await self.whole()
        own = STREAM_HEADERS if self.form.streaming else JSON_HEADERS
        names = {b"content-type", b"content-length"}
        headers = [*own, *(pair for pair in headers if pair[0].lower() not in names)]
        if not self.form.streaming:
            headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if self.form.streaming:
            async with aclosing(self.lines()) as lines:
                async for line in lines:
                    await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": body})


STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would keep small pieces back.
]
JSON_HEADERS = [(b"content-type", b"application/json")]


async def _left(receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def answer_run(request, run: Run, form: Form, *, beginning: Watch | None = None) -> HttpResponse:
    """What a view answers whose answer takes its time.

    Under ASGI the thread is free at once, and so is its database connection. A WSGI server knows
    no such thing: there the thread waits, and a stream comes when it is whole.
    """
    answer = RunAnswer(run.pk, form, beginning)
    scope = request.META.get("asgi.scope")
    if scope is not None:
        scope[ANSWER] = answer
        return HttpResponse()
    if form.streaming:
        response: HttpResponse = HttpResponse(async_to_sync(_joined)(answer))
        for name, value in STREAM_HEADERS:
            response[name.decode()] = value.decode()
        return response
    status, body = async_to_sync(answer.whole)()
    return HttpResponse(body, status=status, content_type="application/json")


async def _joined(answer: RunAnswer) -> bytes:
    return b"".join([line async for line in answer.lines()])


async def _lines(run_id: str, form: Form, beginning: Watch | None) -> AsyncIterator[bytes]:
    quiet_since = time.monotonic()
    if form.pings:
        yield _ping(run_id)
    async for event in follow(run_id, after=form.after, beginning=beginning):
        if event is None:
            if form.pings and time.monotonic() - quiet_since >= PING_INTERVAL:
                quiet_since = time.monotonic()
                yield _ping(run_id)
            continue
        if event.data["type"] == "summary" and not form.compaction:
            continue
        quiet_since = time.monotonic()
        for item in represent_event(run_id, event, types=form.types, speech=form.speech):
            name = b"event: error\n" if item["message_type"] == "error_message" else b""
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


def whole_answer(run_id: str, form: Form) -> tuple[int, dict]:
    """The status and body of the plain answer to a run that is over."""
    run = Run.objects.get_or_none(pk=run_id)
    if run is None:
        return 404, {"detail": f"Run not found with id='{run_id}': it was deleted meanwhile"}
    if run.status == Run.Status.FAILED:
        return represent_failure(run, run.events.order_by("-seq")[0].data)
    if run.metadata.get("run_type") == "compact":
        if run.status == Run.Status.CANCELLED:
            return 409, {"detail": "CONFLICT: The compaction was cancelled", "run_id": run_id}
        return 200, represent_compaction(run.events.get(data__type="summary").data)
    messages = [link.message for link in messages_of_run(run)]
    messages = [message for message in messages if _is_of_the_agent(message, form)]
    answer = {
        "messages": messages_json(messages, form.types, speech=form.speech),
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
