"""The stored records of turns: runs, their steps and events."""

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.db.models.functions import Now

from ..conf import conf
from ..ids import PrefixedUUIDField
from .agents import Agent
from .base import OrganizationModel, OrganizationQuerySet, TaggedQuerySet, TagsField
from .conversations import Conversation


class RunQuerySet(OrganizationQuerySet["Run"]):
    """Query sets of runs."""

    def active(self) -> Self:
        """Return the runs that are executed or wait for a worker: one per conversation."""
        return self.filter(status__in=Run.ACTIVE)

    def waiting(self) -> Self:
        """Return the runs that wait for a worker."""
        return self.filter(status=Run.Status.CREATED)

    def queued(self) -> Self:
        """Return the runs that wait for other turns of their conversations, in order."""
        return self.filter(status=Run.Status.QUEUED).order_by("queue_position")

    def unfinished(self) -> Self:
        """Return the runs that are not over."""
        return self.filter(status__in=Run.UNFINISHED)

    def stalled(self) -> Self:
        """Return the runs whose worker is lost, and those that no worker has claimed in time.

        The first have had no heartbeat for STALLED_RUN_TIMEOUT, the others have waited for
        QUEUE_TIMEOUT.
        """
        silence = timedelta(seconds=conf.STALLED_RUN_TIMEOUT)
        is_lost = Q(status=Run.Status.RUNNING, heartbeat_at__lt=Now() - silence)
        waiting = timedelta(seconds=conf.QUEUE_TIMEOUT)
        is_left = Q(status=Run.Status.CREATED, queued_at__lt=Now() - waiting)
        return self.filter(is_lost | is_left)

    def of_live_agents(self) -> Self:
        """Return the runs whose agent and conversation are not deleted."""
        return self.filter(agent__deleted_at=None, conversation__deleted_at=None)


class Run(OrganizationModel):
    """The record of a turn: its state, its lease, its tokens and its outcome."""

    class Status(models.TextChoices):
        """`queued` waits for other turns, `created` for a worker; the last three are final."""

        QUEUED = "queued"
        CREATED = "created"
        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"

    ACTIVE = (Status.CREATED, Status.RUNNING)
    UNFINISHED = (Status.QUEUED, *ACTIVE)

    id = PrefixedUUIDField(prefix="run", primary_key=True)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="runs")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="runs")
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.CREATED)
    stop_reason = models.CharField(max_length=50, null=True, blank=True)  # noqa: DJ001
    queue_position = models.PositiveIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="Its place in the queue of its conversation, from 1, also afterwards.",
    )
    background = models.BooleanField(default=False)
    metadata = models.JSONField(default=dict, blank=True)
    request_config = models.JSONField(default=dict, blank=True)
    request = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="What the turn was asked; emptied when it completes: its messages say it then.",
    )
    request_digest = models.CharField(
        max_length=64, blank=True, editable=False, help_text="SHA-256 of what was asked."
    )
    otid = models.CharField(  # noqa: DJ001
        max_length=200,
        null=True,
        blank=True,
        editable=False,
        help_text="The client's own id of its first message: sending it again is no new turn.",
    )
    usage = models.JSONField(
        default=dict, blank=True, help_text="Tokens, as the model counts them."
    )
    error = models.TextField(blank=True)
    error_type = models.CharField(max_length=50, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    worker = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        help_text="How many workers have executed the run, the present one included.",
    )
    queued_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when it waits, or last waited, for a worker."
    )
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    events_removed = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Whether EVENT_RETENTION has ended; its messages stay.",
    )
    ttft_ns = models.BigIntegerField(
        null=True, blank=True, verbose_name="time to first token", help_text="Nanoseconds."
    )
    total_duration_ns = models.BigIntegerField(null=True, blank=True, help_text="Nanoseconds.")

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(status__in=["created", "running"]),
                name="one_active_run_per_conversation",
            ),
            models.UniqueConstraint(
                fields=["conversation", "otid"], name="one_run_per_conversation_and_otid"
            ),
            models.UniqueConstraint(
                fields=["conversation", "queue_position"],
                condition=Q(status="queued"),
                name="queue_position_is_unique_per_conversation",
            ),
            models.CheckConstraint(
                condition=Q(status="queued", queue_position__isnull=False)
                | Q(status__in=["created", "running", "completed", "failed", "cancelled"]),
                name="run_status_is_known",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "created_at", "id"], name="runs_by_creation"),
            models.Index(fields=["agent", "created_at", "id"], name="agent_runs_by_creation"),
            models.Index(fields=["conversation", "created_at", "id"], name="conv_runs_by_creation"),
            models.Index(
                fields=["completed_at"],
                condition=Q(events_removed=False, completed_at__isnull=False),
                name="runs_with_events",
            ),
            # A small part of the table, which workers read several times a minute.
            models.Index(
                fields=["status", "created_at"],
                condition=Q(status__in=["created", "running"]),
                name="active_runs",
            ),
        ]

    @property
    def is_compaction(self) -> bool:
        """Return whether the run only compacts its conversation."""
        return bool(self.metadata.get("run_type") == "compact")

    def __str__(self) -> str:
        return self.id


def last_stop_reason() -> Subquery:
    """Return an expression on agents: the stop reason of the newest run that has one."""
    ended = Run.objects.filter(agent=OuterRef("pk"), stop_reason__isnull=False)
    return Subquery(ended.order_by("-created_at", "-id").values("stop_reason")[:1])


class StepQuerySet(TaggedQuerySet["Step"]):
    """Query sets of steps."""


class StepManager(models.Manager.from_queryset(StepQuerySet)):  # type: ignore[misc]  # a class made at run time
    """Reads steps without their traces, which are large; a trace is read when it is used."""

    def get_queryset(self) -> StepQuerySet:
        """Return all steps, with deferred traces."""
        rows: StepQuerySet = super().get_queryset().defer("trace")
        return rows


class Step(OrganizationModel):
    """One call of the model in a turn, and the blocks that it was sent."""

    class Feedback(models.TextChoices):
        POSITIVE = "positive", "positive"
        NEGATIVE = "negative", "negative"

    id = PrefixedUUIDField(prefix="step", primary_key=True)
    run = models.ForeignKey(Run, models.CASCADE, related_name="steps")
    number = models.PositiveIntegerField(help_text="From 1.")
    model = models.CharField(max_length=200, blank=True)
    stop_reason = models.CharField(max_length=50, null=True, blank=True)  # noqa: DJ001
    usage = models.JSONField(default=dict, blank=True)
    blocks_seen = models.JSONField(
        default=list,
        blank=True,
        help_text='What the model read: [{"label", "block_id", "version", "origin"}].',
    )
    error = models.TextField(blank=True)
    trace = models.JSONField(
        null=True,
        editable=False,
        help_text="The request and the reply; null after EVENT_RETENTION, or without STEP_TRACES.",
    )
    model_ns = models.BigIntegerField(null=True, help_text="Until the end of the reply.")
    tools_ns = models.BigIntegerField(null=True, help_text="Of the tools that the server ran.")
    feedback = models.CharField(max_length=8, choices=Feedback, null=True, blank=True)  # noqa: DJ001 (null on the wire)
    tags = TagsField()

    class Meta:
        ordering = ["run", "number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="step_number_is_unique_per_run")
        ]

    objects = StepManager()

    def __str__(self) -> str:
        return self.id


class RunEventQuerySet(OrganizationQuerySet["RunEvent"]):
    """Query sets of events."""

    organization_path = "run__organization"


class RunEvent(models.Model):
    """One stored event of a run's stream (`domain/runs/events.py`)."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="events")
    seq = models.PositiveIntegerField(help_text="From 1.")
    data = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects = RunEventQuerySet.as_manager()

    class Meta:
        verbose_name = "event"
        ordering = ["run", "seq"]
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="event_seq_is_unique")]

    def __str__(self) -> str:
        return f"{self.run_id} #{self.seq}"
