"""Blocks of memory and their revisions."""

from datetime import datetime
from typing import Any, Self

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Length
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual

from ..ids import PrefixedUUIDField
from ..text import is_storable
from .base import OrganizationModel, OrganizationQuerySet, TaggedQuerySet, TagsField

LABEL_LENGTH = 200
NEARLY_FULL = 0.9  # of the limit


class BlockQuerySet(TaggedQuerySet["Block"]):
    """Query sets of blocks."""

    def live(self) -> Self:
        """Return those that are not deleted, isolated ones if in force in a live conversation."""
        return self.filter(
            Q(conversation=None)
            | Q(
                isolations__isnull=False,
                conversation__deleted_at=None,
                conversation__agent__deleted_at=None,
            ),
            deleted_at=None,
        )

    def ordinary(self) -> Self:
        """Return those that belong to no conversation and are not deleted."""
        return self.filter(conversation=None, deleted_at=None)

    def released(self, label: str) -> Self:
        """Return the released blocks of a label, newest first."""
        if not is_storable(label):
            return self.none()
        return self.out_of_force().filter(label=label).order_by("-created_at", "-id")

    def out_of_force(self) -> Self:
        """Return isolated blocks that were released."""
        return self.filter(conversation__isnull=False, isolations=None, deleted_at=None)

    def nearly_full(self) -> Self:
        """Return those whose value has nearly reached its limit."""
        return self.filter(GreaterThanOrEqual(F("characters"), F("limit") * NEARLY_FULL))

    def with_agent_count(self) -> Self:
        """Add `agent_count`, the number of live agents each is attached to."""
        return self.annotate(
            agent_count=Count("agent_links", filter=Q(agent_links__agent__deleted_at=None))
        )


class Block(OrganizationModel):
    """Labelled text that an agent reads. It changes only through `write_block`."""

    DEFAULT_LIMIT = 100_000

    id = PrefixedUUIDField(prefix="block", primary_key=True)
    label = models.CharField(max_length=LABEL_LENGTH, blank=True)
    value = models.TextField(blank=True)
    characters = models.GeneratedField(
        expression=Length("value"),
        output_field=models.PositiveIntegerField(),
        db_persist=True,
        help_text="Length of the value; quotas add it up.",
    )
    limit = models.PositiveIntegerField(
        default=DEFAULT_LIMIT,
        validators=[MinValueValidator(1)],
        help_text="Maximum number of characters of the value.",
    )
    description = models.TextField(  # noqa: DJ001 (null on the wire)
        null=True, blank=True, help_text="Tells the model what the block is for."
    )
    metadata = models.JSONField(default=dict, blank=True)
    read_only = models.BooleanField(default=False, help_text="Tools can't edit it.")
    copy_on_write = models.BooleanField(
        default=False, help_text="The first edit from a conversation isolates the label there."
    )
    hidden = models.BooleanField(null=True, blank=True, help_text="Omitted from lists.")
    tags = TagsField()
    version = models.PositiveIntegerField(
        default=1, editable=False, help_text="The number of the newest revision."
    )
    is_template = models.BooleanField(default=False)
    template_name = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001
    project_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001
    conversation = models.ForeignKey(
        "conversations.Conversation",
        models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="own_blocks",
        help_text="The conversation that an isolated block belongs to, for life.",
    )
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = BlockQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("value"), F("limit")),
                name="block_value_is_within_limit",
                violation_error_message="The value is longer than the limit.",
            ),
            models.CheckConstraint(condition=Q(limit__gt=0), name="block_limit_is_positive"),
        ]
        indexes = [
            models.Index(
                fields=["organization", "created_at", "id"],
                condition=Q(conversation=None, deleted_at=None),
                name="ordinary_blocks_by_creation",
            ),
            models.Index(
                fields=["organization", "label", "created_at", "id"],
                condition=Q(conversation=None, deleted_at=None),
                name="ordinary_blocks_by_label",
            ),
            # Read alone to add up the quota.
            models.Index(
                fields=["organization", "characters"],
                condition=Q(deleted_at=None),
                name="block_characters",
            ),
        ]

    def __str__(self) -> str:
        return self.label or "(empty label)"

    @property
    def is_isolated(self) -> bool:
        """Whether the block belongs to a conversation."""
        return self.conversation_id is not None


class BlockRevisionQuerySet(OrganizationQuerySet["BlockRevision"]):
    """Query sets of revisions."""

    organization_path = "block__organization"

    def as_of(self, moment: datetime) -> Self:
        """Return the newest revision of each block at that time, or else its first one."""
        then = BlockRevision.objects.filter(block=OuterRef("block"), written_at__lte=moment)
        newest = Subquery(then.order_by("-number").values("number")[:1])
        return self.filter(number=Coalesce(newest, 1))

    def with_older_value(self) -> Self:
        """Add `older_value`, the value before this revision; None for the first one."""
        before = BlockRevision.objects.filter(
            block=OuterRef("block"), number=OuterRef("number") - 1
        )
        return self.annotate(older_value=Subquery(before.values("value")[:1]))


class BlockRevision(models.Model):
    """The state of a block after one edit. Rows are added, never changed."""

    class Source(models.TextChoices):
        API = "api", "API"
        ADMIN = "admin", "admin"
        TOOL = "tool", "tool"
        COMMAND = "command", "command"
        IMPORT = "import", "import"
        RESTORE = "restore", "restore"
        PROMOTE = "promote", "promote"
        RESET = "reset", "reset"
        REBASE = "rebase", "rebase"
        FORK = "fork", "fork"
        UNDO = "undo", "undo"
        REDO = "redo", "redo"

    block = models.ForeignKey(Block, models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    value = models.TextField(blank=True)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001
    limit = models.PositiveIntegerField()
    attributes = models.JSONField(
        null=True, editable=False, help_text="The block's other fields; null if not recorded."
    )
    restored_number = models.PositiveIntegerField(
        null=True,
        editable=False,
        help_text="The revision whose state an undo, redo or restore took.",
    )
    base_version = models.PositiveIntegerField(
        null=True,
        editable=False,
        help_text="The shared version that this edit of an isolated block set as its base.",
    )
    source = models.CharField(max_length=8, choices=Source.choices)
    reason = models.TextField(blank=True)
    unconditional = models.BooleanField(
        default=False, help_text="Written without the version that it was based on."
    )
    written_by = models.ForeignKey(
        "conversations.Member", models.SET_NULL, null=True, related_name="+"
    )
    written_at = models.DateTimeField(auto_now_add=True)
    run = models.ForeignKey("conversations.Run", models.SET_NULL, null=True, related_name="+")
    conversation = models.ForeignKey(
        "conversations.Conversation", models.SET_NULL, null=True, related_name="+"
    )

    objects = BlockRevisionQuerySet.as_manager()

    class Meta:
        verbose_name = "revision"
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["block", "number"], name="revision_number_is_unique_per_block"
            ),
            models.CheckConstraint(condition=Q(number__gt=0), name="revision_number_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.block_id} #{self.number}"

    @property
    def state(self) -> dict[str, Any]:
        """The fields of the block after this edit that were recorded."""
        text = {"value": self.value, "description": self.description, "limit": self.limit}
        return text | (self.attributes or {})
