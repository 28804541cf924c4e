"""The life of a run: started, taken by a process, ended in one of three ways, freed when dead.

A run is locked before anything else of its turn. Its row is what processes agree by: whoever
writes for a run holds it and looks whether it is still theirs.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import partial

from django.db import IntegrityError, connection, transaction
from django.db.models import Max, Q
from django.db.models.functions import Now
from django.utils import timezone

from ..models import Agent, Conversation, ConversationMessage, Message, Run, RunEvent
from ..models.runs import RunQuerySet
from .announcements import announce
from .authors import Author
from .errors import Conflict, InvalidArgument
from .events import Event, RunLost, insert_events
from .handles import check_model_handle

MOST_STEPS = 50
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class TurnRequest:
    """What a turn is asked, as JSON keeps it until the turn ends.

    `input` holds the messages sent: {"role", "content": [part…], "otid", "name", "sender_id",
    "group_id"}, and for results of tools that a client ran role `tool` with `tool_returns`.
    `decisions` answer a request for approval: [{"tool_call_id", "approve", "reason"}].
    `compaction` makes it a run that only compacts the conversation: {"mode", "model", "prompt"}.
    """

    input: list[dict] = field(default_factory=list)
    decisions: list[dict] = field(default_factory=list)
    max_steps: int = MOST_STEPS
    stream_tokens: bool = False
    model: str | None = None
    system: str | None = None
    client_tools: list[dict] = field(default_factory=list)
    compaction: dict | None = None

    @classmethod
    def of(cls, run: Run) -> "TurnRequest":
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in run.request.items() if name in known})

    @property
    def digest(self) -> str:
        """Tells whether two requests say the same, however the answer is to be delivered."""
        text = json.dumps([self.input, self.decisions, self.compaction], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Busy(Conflict):
    """One turn at a time."""

    def __init__(self, run_id: str):
        self.run_id = run_id
        super().__init__(
            f"CONFLICT: Cannot send a new message: Another request (run_id={run_id}) is currently "
            "being processed for this conversation. Please wait for it to complete."
        )

    @property
    def details(self) -> dict:
        return {"run_id": self.run_id}


class AwaitsClient(Conflict):
    """The model waits for the client to answer its tool calls."""

    def __init__(self, call_ids: list[str]):
        self.call_ids = call_ids
        super().__init__(
            "CONFLICT: Cannot send a new message: The agent waits for the results or the approval "
            f"of its tool calls {', '.join(call_ids)}; answer those first"
        )

    @property
    def details(self) -> dict:
        return {"tool_call_ids": self.call_ids}


def start_run(
    conversation: Conversation,
    *,
    by: Author,
    request: TurnRequest,
    worker: str | None = None,
    background: bool = False,
    otid: str | None = None,
    idempotency_key: str | None = None,
    request_config: dict | None = None,
    kind: str = "send_conversation_message",
) -> tuple[Run, bool]:
    """A new run, and True; or the run that the same `otid` or key has started before, and False.

    `worker` takes it at once; None leaves it to whoever claims it. Raises Busy while another run
    of the conversation is active, AwaitsClient for messages where tool calls wait for the client.
    """
    digest = request.digest
    if repeated := _repeated(conversation, digest, otid, idempotency_key):
        return repeated, False
    named = (request.compaction or {}).get("model") or request.model
    check_model_handle(named or conversation.model or conversation.agent.model)
    if request.compaction is None:
        request = _answering(conversation, request)
    now = timezone.now()
    run = Run(
        organization_id=conversation.organization_id,
        agent_id=conversation.agent_id,
        conversation=conversation,
        background=background,
        metadata={"run_type": kind},
        request_config=request_config or {},
        request=asdict(request),
        request_digest=digest,
        otid=otid,
        idempotency_key=idempotency_key,
        created_by=by.user,
        last_updated_by=by.user,
    )
    if worker:
        run.status = Run.Status.RUNNING
        run.worker, run.heartbeat_at, run.started_at = worker, now, now
    for _ in range(3):
        try:
            _insert(run)
            return run, True
        except IntegrityError:
            if repeated := _repeated(conversation, digest, otid, idempotency_key):
                return repeated, False
            active = conversation.runs.active().first()
            if active is not None and not free_if_silent(active):
                raise Busy(active.pk) from None
    raise Conflict("Others start turns of this conversation at the same time; try again")


def _insert(run: Run) -> None:
    # One statement is a transaction; in one of the caller's, a refusal must leave that usable.
    if run.worker and not connection.in_atomic_block:
        run.save(force_insert=True)
        return
    with transaction.atomic():
        run.save(force_insert=True)
        if not run.worker:
            announce([run.pk])


def _repeated(
    conversation: Conversation, digest: str, otid: str | None, key: str | None
) -> Run | None:
    for name, value in (("otid", otid), ("idempotency_key", key)):
        if value is None:
            continue
        run = conversation.runs.filter(**{name: value}).first()
        if run is None:
            continue
        if run.request_digest != digest:
            raise InvalidArgument(
                f"The {name} {value!r} belongs to run {run.pk}, which was asked something else"
            )
        return run
    return None


def pending_calls(conversation: Conversation) -> list[dict]:
    """The tool calls that wait for the client, in the shape they are stored in."""
    # A compaction may have put its summary after them.
    said = conversation.message_links.exclude(message__role=Message.Role.SUMMARY)
    newest = said.order_by("-position")
    for role, calls in newest.values_list("message__role", "message__tool_calls")[:1]:
        return calls if role == Message.Role.APPROVAL else []
    return []


def _answering(conversation: Conversation, request: TurnRequest) -> TurnRequest:
    """The request, if it answers the calls that wait for the client, or if none do."""
    pending = [call["id"] for call in pending_calls(conversation)]
    if pending and [d["tool_call_id"] for d in request.decisions] == [None]:
        # One decision that names no call is about all of them.
        every = [{**request.decisions[0], "tool_call_id": call_id} for call_id in pending]
        request = replace(request, decisions=every)
    check_answers(pending, request)
    return request


def check_answers(pending: list[str], request: TurnRequest) -> None:
    """Refuse a request that does not answer just the calls that wait for the client.

    Asked again when the turn begins: another one may have ended since it was started.
    """
    answers = [str(decision["tool_call_id"]) for decision in request.decisions]
    answers += [
        item["tool_call_id"]
        for message in request.input
        for item in message.get("tool_returns", [])
    ]
    if sorted(answers) == sorted(pending):
        return
    if not answers:
        raise AwaitsClient(pending)
    waiting = ", ".join(pending) or "none"
    raise InvalidArgument(
        f"tool_call_id: expected one answer for each call that waits for the client ({waiting}), "
        f"got {', '.join(answers)}"
    )


def claim_run(worker: str) -> Run | None:
    """Take the oldest run that nobody has taken; None when there is none."""
    for run in Run.objects.filter(status=Run.Status.CREATED).order_by("created_at")[:10]:
        taken = Run.objects.filter(pk=run.pk, status=Run.Status.CREATED).update(
            status=Run.Status.RUNNING, worker=worker, heartbeat_at=Now(), started_at=Now()
        )
        if taken:
            related = ("conversation__agent", "created_by")
            return Run.objects.select_related(*related).get(pk=run.pk)
    return None


def beat(worker: str, run_ids: Collection[str]) -> None:
    """Say that the process lives and takes these turns."""
    if run_ids:
        own = Run.objects.active().filter(worker=worker, pk__in=run_ids)
        own.update(heartbeat_at=Now())


def unwanted_runs(worker: str) -> list[str]:
    """Which of the process's runs somebody wants cancelled."""
    own = Run.objects.active().filter(worker=worker)
    return list(own.exclude(cancel_requested_at=None).values_list("pk", flat=True))


def lock_run(run: Run, worker: str | None) -> Run:
    """The fresh row, held until the transaction ends; RunLost unless it is this process's."""
    locked = Run.objects.select_for_update(no_key=True).find(pk=run.pk)
    if locked is None or locked.status not in Run.ACTIVE or locked.worker != worker:
        raise RunLost(run.pk)
    return locked


@dataclass
class Ending:
    """How a run ends."""

    status: Run.Status
    stop_reason: str
    error_type: str = ""
    error: str = ""
    detail: str = ""

    def events(self, run: Run) -> list[dict]:
        """What watchers are told at last."""
        events: list[dict] = [{"type": "stop", "reason": self.stop_reason}]
        if self.status == Run.Status.FAILED:
            events.append(
                {
                    "type": "error",
                    "error_type": self.error_type,
                    "text": self.error,
                    "detail": self.detail,
                }
            )
        elif self.status == Run.Status.COMPLETED:
            events.append({"type": "usage", **run.usage})
        return events


SILENT = Ending(
    Run.Status.FAILED,
    "error",
    error_type="worker_died",
    error="The process that took this turn is gone; what it had finished is kept.",
)
CANCELLED = Ending(Run.Status.CANCELLED, "cancelled")


@transaction.atomic
def end_run(run: Run, ending: Ending, *, worker: str | None) -> list[Event]:
    """End a run of this process; its last events are stored with it. RunLost if it is another's."""
    return end_locked_run(lock_run(run, worker), ending)


def end_locked_run(
    run: Run, ending: Ending, *, told: Sequence[Event] = (), last: int | None = None
) -> list[Event]:
    """End a run whose lock is held, and answer its last events, which are stored.

    `told` are stored with them; `last` is the number of the latest event so far, if known.
    """
    now = timezone.now()
    run.status, run.stop_reason = ending.status, ending.stop_reason
    run.error = f"{ending.error} {ending.detail}".strip()
    run.error_type = ending.error_type
    run.completed_at = now
    run.request = {}
    if run.started_at:
        run.total_duration_ns = round((now - run.started_at).total_seconds() * 1e9)
    if ending.status != Run.Status.COMPLETED and not run.messages.exists():
        # It left nothing, so that sending the same again is a new attempt.
        run.otid = run.idempotency_key = None
    run.save(update_fields=ENDED)
    if last is None:
        events = _insert_last(run, ending)
    else:
        events = _numbered(ending.events(run), after=last)
        insert_events((run.pk, event) for event in [*told, *events])
    Conversation.objects.filter(pk=run.conversation_id).update(last_run_completed_at=now)
    transaction.on_commit(partial(_note_completion, run.agent_id, now))
    return events


# What the end of a run changes.
ENDED = [
    "status",
    "stop_reason",
    "error",
    "error_type",
    "completed_at",
    "request",
    "total_duration_ns",
    "ttft_ns",
    "usage",
    "otid",
    "idempotency_key",
    "updated_at",
]


def _numbered(data: list[dict], *, after: int) -> list[Event]:
    return [Event(after + n, each) for n, each in enumerate(data, start=1)]


def _insert_last(run: Run, ending: Ending) -> list[Event]:
    """Store the last events after whatever there is; its process may be writing at this moment."""
    while True:
        last = RunEvent.objects.filter(run=run).aggregate(n=Max("seq"))["n"] or 0
        events = _numbered(ending.events(run), after=last)
        try:
            with transaction.atomic():
                insert_events((run.pk, event) for event in events)
        except IntegrityError:
            continue
        return events


def _note_completion(agent_id: str, moment: datetime) -> None:
    """To the second: many conversations of an agent end turns at once, and share this row."""
    earlier = Q(last_run_completed_at=None) | Q(last_run_completed_at__lt=moment - SECOND)
    Agent.objects.filter(earlier, pk=agent_id).update(last_run_completed_at=moment)


@transaction.atomic
def free_if_silent(run: Run) -> bool:
    """Fail a run whose process is dead, which frees its conversation. Whether it is over now."""
    locked = Run.objects.select_for_update(no_key=True).silent().find(pk=run.pk)
    if locked is not None:
        end_locked_run(locked, SILENT)
        return True
    return not Run.objects.active().filter(pk=run.pk).exists()


def free_silent_runs() -> list[str]:
    """Fail every run whose process is dead; their ids."""
    return [run.pk for run in Run.objects.silent() if free_if_silent(run)]


@transaction.atomic
def request_cancel(run: Run) -> bool:
    """Ask for a run's end. True when it is over at once, because no process had taken it."""
    locked = Run.objects.select_for_update(no_key=True).active().find(pk=run.pk)
    if locked is None:
        return True
    if locked.status == Run.Status.CREATED:
        end_locked_run(locked, CANCELLED)
        return True
    locked.cancel_requested_at = timezone.now()
    locked.save(update_fields=["cancel_requested_at"])
    announce([run.pk])
    return False


def abandon_runs(runs: RunQuerySet) -> None:
    """Have these runs cancelled soon, because what they are about goes away.

    Call it before anything else is locked: a run comes first.
    """
    ids = list(runs.active().values_list("pk", flat=True))
    if ids:
        Run.objects.active().filter(pk__in=ids).update(cancel_requested_at=Now())
        announce(ids)


@transaction.atomic
def force_cancel(run: Run) -> None:
    """End a run whose process did not do so in time: what that process still writes is refused."""
    locked = Run.objects.select_for_update(no_key=True).active().find(pk=run.pk)
    if locked is not None:
        end_locked_run(locked, CANCELLED)


@transaction.atomic
def delete_run(run: Run) -> None:
    """Remove the record of a turn that is over, its steps and events; its messages stay."""
    locked = Run.objects.select_for_update(no_key=True).find(pk=run.pk)
    if locked is not None and locked.status in Run.ACTIVE:
        raise Conflict(f"Run '{run.pk}' is {locked.status}; cancel it first")
    if locked is not None:
        locked.delete()


def messages_of_run(run: Run):
    """The messages of a turn in their order, as links with their messages."""
    links = ConversationMessage.objects.filter(conversation=run.conversation_id, message__run=run)
    return links.select_related("message").order_by("position")
