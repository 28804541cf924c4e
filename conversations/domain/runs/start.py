"""Starting a run: it becomes the active one of its conversation, or waits behind that."""

from dataclasses import asdict
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Count, Max
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from ...conf import conf
from ...models import Conversation, OnBusy, Run
from ..actor import Actor
from ..errors import Conflict, InvalidArgument
from ..idempotency import RequestKey, find_record, insert_record
from ..model_handles import check_model_handle
from ..quotas import check_turns
from .finish import CANCELLED, finish_and_append
from .input import store_input, with_decisions
from .leases import Busy, QueueFull
from .notify import notify
from .queue import lock_queue
from .recovery import recover_if_stalled
from .request import TurnRequest

# How often to try again when other requests start and end turns meanwhile.
MAX_ATTEMPTS = 5


class StartedRun(NamedTuple):
    """A run, and whether this request started it rather than an earlier identical one.

    `interrupts` is the id of the active run whose worker is asked to cancel it.
    """

    run: Run
    is_new: bool
    interrupts: str | None = None


def start_run(
    conversation: Conversation,
    *,
    by: Actor,
    request: TurnRequest,
    worker: str | None = None,
    background: bool = False,
    on_busy: OnBusy | str | None = None,
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

    While another run of the conversation is active, `on_busy` says what becomes of messages; its
    default is the agent's. A queued run keeps what it is asked to itself until its turn begins.

    Raises Busy or QueueFull if the run can't wait for the active one, AwaitsClient for messages
    while tool calls await the client, InvalidArgument if the otid or key belongs to another
    request, QuotaExceeded if the organization has too many active runs.
    """
    digest = request.digest
    if repeated := _repeated(conversation, digest, otid, key):
        return StartedRun(repeated, False)
    requested_model = (request.compaction or {}).get("model") or request.model
    check_model_handle(requested_model or conversation.model or conversation.agent.model)
    if request.decisions:
        request = with_decisions(conversation, request)
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
    on_busy = on_busy or conversation.agent.on_busy
    on_busy = on_busy or (OnBusy.QUEUE if background else OnBusy.REJECT)
    for _ in range(MAX_ATTEMPTS):
        try:
            _insert(run, request, key, worker=worker, by=by)
            return StartedRun(run, True)
        except IntegrityError:
            pass
        if repeated := _repeated(conversation, digest, otid, key):
            return StartedRun(repeated, False)
        active = conversation.runs.active().first()
        if active is None or recover_if_stalled(active):
            continue
        if on_busy == OnBusy.REJECT or not request.can_be_queued:
            raise Busy(active.pk)
        try:
            if started := _enqueue(run, key, interrupts=on_busy == OnBusy.INTERRUPT):
                return started
        except IntegrityError:
            continue
    raise Conflict("Other requests start turns of this conversation at the same time; try again")


@transaction.atomic
def _insert(
    run: Run, request: TurnRequest, key: RequestKey | None, *, worker: str | None, by: Actor
) -> None:
    """Insert a run as the active one. Raises IntegrityError if there is another one."""
    run.queue_position = None
    if worker:
        run.status, run.worker, run.attempts = Run.Status.RUNNING, worker, 1
        # Leases use the database's clock; the clocks of processes may differ.
        run.heartbeat_at, run.started_at = Now(), timezone.now()
    else:
        run.status, run.queued_at = Run.Status.CREATED, Now()
    # The run first: from then on, no other turn adds messages to the conversation.
    run.save(force_insert=True)
    check_turns(run.organization_id, by=by)
    if key:
        insert_record(key, run=run)
    if request.compaction is None and not request.decisions:
        store_input(run, request, by=by)
    if not worker:
        notify([run.pk])


@transaction.atomic
def _enqueue(run: Run, key: RequestKey | None, *, interrupts: bool) -> StartedRun | None:
    """Insert a run behind the active one, which it interrupts; None if no run is active now."""
    # With the lock of the active run, its end waits for the new one.
    active = run.conversation.runs.active().select_for_update(no_key=True).first()
    if active is None:
        return None
    lock_queue(run.conversation_id)
    queued = run.conversation.runs.queued().order_by()
    length, last = queued.aggregate(n=Count("pk"), last=Coalesce(Max("queue_position"), 0)).values()
    if length >= conf.MAX_QUEUED_TURNS:
        raise QueueFull(run.conversation_id, length)
    run.status, run.queue_position = Run.Status.QUEUED, last + 1
    run.worker, run.attempts, run.queued_at = "", 0, None
    run.heartbeat_at = run.started_at = None
    run.save(force_insert=True)
    if key:
        insert_record(key, run=run)
    if not interrupts:
        return StartedRun(run, True)
    queued.exclude(pk=run.pk).update(cancel_requested_at=Now())
    if active.status == Run.Status.CREATED:
        finish_and_append(active, CANCELLED)
        run.refresh_from_db()
        return StartedRun(run, True)
    active.cancel_requested_at = Now()
    active.save(update_fields=["cancel_requested_at"])
    notify([active.pk])
    return StartedRun(run, True, active.pk)


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
