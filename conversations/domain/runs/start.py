"""Starting a run: what a turn is asked, and the checks before it is stored."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Subquery
from django.db.models.functions import Now
from django.utils import timezone

from ...ids import new_id
from ...models import Conversation, ConversationMessage, Message, Run
from ..actor import Actor
from ..conversations.messages import insert_messages_after, lock_for_messages
from ..errors import Conflict, InvalidArgument
from ..idempotency import RequestKey, find_record, insert_record
from ..model_handles import check_model_handle
from .leases import Busy
from .notify import notify
from .recovery import recover_if_stalled

DEFAULT_MAX_STEPS = 50


@dataclass(frozen=True)
class TurnRequest:
    """What a turn is asked; stored as JSON in the run until the run completes.

    `input` holds the messages sent: {"role", "content": [part…], "otid", "name", "sender_id",
    "group_id"}; the result of a client tool has the role `tool` and `tool_returns`.
    `decisions` answer an approval request: [{"tool_call_id", "approve", "reason"}].
    `compaction` makes the run only compact the conversation: {"mode", "model", "prompt"}.
    """

    input: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    max_steps: int = DEFAULT_MAX_STEPS
    stream_tokens: bool = False
    model: str | None = None
    system: str | None = None
    client_tools: list[dict[str, Any]] = field(default_factory=list)
    compaction: dict[str, Any] | None = None

    @classmethod
    def of(cls, run: Run) -> "TurnRequest":
        """Return the request stored in a run."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in run.request.items() if name in known})

    @property
    def digest(self) -> str:
        """A SHA-256 of what is asked, independent of how the answer is delivered."""
        text = json.dumps([self.input, self.decisions, self.compaction], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def messages(self) -> list[Message]:
        """Return the messages sent, unsaved."""
        return [_message(given) for given in self.input]


def _message(given: dict[str, Any]) -> Message:
    fields = {name: given.get(name) for name in ("otid", "name", "sender_id", "group_id")}
    return Message(
        id=new_id("message"),
        role=given["role"],
        content=given.get("content") or [],
        tool_returns=given.get("tool_returns") or [],
        tool_call_id=given.get("tool_call_id"),
        **fields,
    )


class AwaitsClient(Conflict):
    """The newest tool calls await the client: their results or the approval of them."""

    def __init__(self, tool_call_ids: list[str]):
        self.tool_call_ids = tool_call_ids
        super().__init__(f"Tool calls wait for results or approval: {', '.join(tool_call_ids)}")


class StartedRun(NamedTuple):
    """A run, and whether this request started it rather than an earlier identical one."""

    run: Run
    is_new: bool


def start_run(
    conversation: Conversation,
    *,
    by: Actor,
    request: TurnRequest,
    worker: str | None = None,
    background: bool = False,
    otid: str | None = None,
    key: RequestKey | None = None,
    request_config: dict[str, Any] | None = None,
    kind: str,
) -> StartedRun:
    """Store a new run and what it is asked, or return the run that `otid` or key has started.

    One transaction stores the run and the messages sent, which stay even if the turn fails. Only
    an approval is stored later: with the results of the calls that it approves.

    The run belongs to `worker` from the start; without one it waits until a worker claims it.
    `kind` is stored as `run_type` in its metadata, where the API uses V1's names.

    Raises Busy while another run of the conversation is active, AwaitsClient for messages while
    tool calls await the client, InvalidArgument if the otid or key belongs to another request.
    """
    digest = request.digest
    if repeated := _repeated(conversation, digest, otid, key):
        return StartedRun(repeated, False)
    requested_model = (request.compaction or {}).get("model") or request.model
    check_model_handle(requested_model or conversation.model or conversation.agent.model)
    if request.decisions:
        request = _with_decisions(conversation, request)
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
        created_by=by.member,
        last_updated_by=by.member,
    )
    if worker:
        run.status, run.worker, run.attempts = Run.Status.RUNNING, worker, 1
        # Leases use the database's clock; the clocks of processes may differ.
        run.heartbeat_at, run.started_at = Now(), timezone.now()
    else:
        run.queued_at = Now()
    for _ in range(3):
        try:
            _insert(run, request, key, by=by)
            return StartedRun(run, True)
        except IntegrityError:
            if repeated := _repeated(conversation, digest, otid, key):
                return StartedRun(repeated, False)
            active = conversation.runs.active().first()
            if active is not None and not recover_if_stalled(active):
                raise Busy(active.pk) from None
    raise Conflict("Other requests start turns of this conversation at the same time; try again")


@transaction.atomic
def _insert(run: Run, request: TurnRequest, key: RequestKey | None, *, by: Actor) -> None:
    # The run first: from then on, no other turn adds messages to the conversation.
    run.save(force_insert=True)
    if key:
        insert_record(key, run=run)
    if request.compaction is None and not request.decisions:
        _store_input(run, request, by=by)
    if not run.worker:
        notify([run.pk])


def _store_input(run: Run, request: TurnRequest, *, by: Actor) -> None:
    """Append the messages sent, unless the conversation ends with them after a failed attempt."""
    messages = request.messages()
    lock_for_messages(run.conversation, messages)
    newest = _newest_link(run.conversation)
    if newest and _is_failed_attempt(newest.message, run):
        Message.objects.filter(run=newest.message.run).update(run=run)
        return
    check_answers([call["id"] for call in _calls_awaiting_client(newest)], request)
    last = newest.last_position if newest else -1
    insert_messages_after(last, run.conversation, messages, by=by._replace(run=run))


def _is_failed_attempt(message: Message, run: Run) -> bool:
    """Return whether a message is input of a run that asked the same and produced nothing."""
    earlier = message.run
    return (
        earlier is not None
        and message.step_id is None
        and earlier.status in (Run.Status.FAILED, Run.Status.CANCELLED)
        and earlier.conversation_id == run.conversation_id  # A fork shares messages.
        and earlier.request_digest == run.request_digest
    )


def _repeated(
    conversation: Conversation, digest: str, otid: str | None, key: RequestKey | None
) -> Run | None:
    """Return the run that a request with this key, else with this otid, has started."""
    if key and (record := find_record(key)):
        return record.run
    if otid and (run := conversation.runs.get_or_none(otid=otid)):
        if run.request_digest != digest:
            raise InvalidArgument(
                f"The otid {otid!r} belongs to run {run.pk}, which was a different request"
            )
        return run
    return None


def calls_awaiting_client(conversation: Conversation) -> list[dict[str, Any]]:
    """Return the stored tool calls that await the client's results or approval."""
    return _calls_awaiting_client(_newest_link(conversation))


def _calls_awaiting_client(newest: ConversationMessage | None) -> list[dict[str, Any]]:
    is_awaiting = newest is not None and newest.message.role == Message.Role.APPROVAL
    return newest.message.tool_calls if newest and is_awaiting else []


def _newest_link(conversation: Conversation) -> Any:
    """Return the newest message that is no summary, and the conversation's `last_position`.

    A compaction may have stored its summary after calls that await the client.
    """
    links = conversation.message_links.order_by("-position")
    newest = links.exclude(message__role=Message.Role.SUMMARY).select_related("message__run")
    return newest.annotate(last_position=Subquery(links.values("position")[:1])).first()


def _with_decisions(conversation: Conversation, request: TurnRequest) -> TurnRequest:
    """Apply a decision without a call id to all calls that await the client; check the answers."""
    call_ids = [call["id"] for call in calls_awaiting_client(conversation)]
    if call_ids and [d["tool_call_id"] for d in request.decisions] == [None]:
        decisions = [{**request.decisions[0], "tool_call_id": call_id} for call_id in call_ids]
        request = replace(request, decisions=decisions)
    check_answers(call_ids, request)
    return request


def check_answers(call_ids: list[str], request: TurnRequest) -> None:
    """Refuse a request that does not answer exactly the calls that await the client."""
    answers = [str(decision["tool_call_id"]) for decision in request.decisions]
    answers += [
        item["tool_call_id"]
        for message in request.input
        for item in message.get("tool_returns", [])
    ]
    if sorted(answers) == sorted(call_ids):
        return
    if not answers:
        raise AwaitsClient(call_ids)
    expected = ", ".join(call_ids) or "none"
    raise InvalidArgument(
        f"tool_call_id: expected one answer for each call that awaits the client ({expected}), "
        f"got {', '.join(answers)}"
    )
