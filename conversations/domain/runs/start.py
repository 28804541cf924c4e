"""What a turn is asked, and the run that begins with it."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace

from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from ...models import Conversation, Message, Run
from ..actor import Actor
from ..errors import Conflict, InvalidArgument
from ..model_handles import check_model_handle
from .finish import free_if_silent
from .leases import Busy
from .notify import announce

DEFAULT_MAX_STEPS = 50


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
    max_steps: int = DEFAULT_MAX_STEPS
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


class AwaitsClient(Conflict):
    """The model waits for the client to answer its tool calls."""

    def __init__(self, call_ids: list[str]):
        self.call_ids = call_ids
        super().__init__(f"Tool calls wait for results or approval: {', '.join(call_ids)}")


def start_run(
    conversation: Conversation,
    *,
    by: Actor,
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
        created_by=by.member,
        last_updated_by=by.member,
    )
    if worker:
        run.status, run.worker = Run.Status.RUNNING, worker
        # By the database's clock, which the clocks of processes need not agree with.
        run.heartbeat_at, run.started_at = Now(), timezone.now()
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
                f"The {name} {value!r} belongs to run {run.pk}, which was a different request"
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
        f"Expected one answer for each pending tool call ({waiting}), got {', '.join(answers)}"
    )
