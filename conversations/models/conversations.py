"""Conversations and their isolated blocks."""

from collections.abc import Collection
from typing import Self

from django.db import models
from django.db.models import F, FilteredRelation, OuterRef, Q

from ..ids import PrefixedUUIDField
from ..text import is_storable
from .agents import Agent
from .base import OrganizationModel, OrganizationQuerySet, nulls_last
from .blocks import LABEL_LENGTH, Block
from .drift import drift_expression


class ConversationQuerySet(OrganizationQuerySet["Conversation"]):
    """Query sets of conversations."""

    def live(self) -> Self:
        """Return those that are not deleted and whose agent is not."""
        return self.filter(deleted_at=None, agent__deleted_at=None)

    def with_isolated(self, *, label: str | None = None, drifts: Collection[str] = ()) -> Self:
        """Return those that isolated this label or any, with one of these drifts or any."""
        isolations = IsolatedBlock.objects.all()
        if label is not None:
            isolations = isolations.filter(label=label)
        if drifts:
            isolations = isolations.of_drifts(drifts)
        return self.filter(models.Exists(isolations.filter(conversation=OuterRef("pk"))))

    def archived(self, is_archived: bool = True) -> Self:
        """Return those that are archived, or those that are not."""
        return self.filter(archived_at__isnull=not is_archived)


class Conversation(OrganizationModel):
    """A sequence of messages with one agent."""

    id = PrefixedUUIDField(prefix="conv", primary_key=True)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="conversations")
    is_default = models.BooleanField(
        default=False, editable=False, help_text="The agent's own conversation."
    )
    summary = models.TextField(null=True, blank=True)  # noqa: DJ001 (null on the wire)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001
    model = models.CharField(  # noqa: DJ001
        max_length=200, null=True, blank=True, help_text="Overrides the agent's model."
    )
    model_settings = models.JSONField(null=True, blank=True)
    context_window_limit = models.PositiveIntegerField(null=True, blank=True)
    hidden = models.BooleanField(default=False)
    isolated_blocks = models.ManyToManyField(
        Block,
        through="IsolatedBlock",
        through_fields=("conversation", "block"),
        related_name="isolating_conversations",
        help_text="The isolated blocks in force, which override the shared ones.",
    )
    forked_from = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, editable=False, related_name="forks"
    )
    forked_at_message = models.ForeignKey(
        "conversations.Message",
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    version = models.PositiveIntegerField(
        default=1, editable=False, help_text="Number of changes of its fields."
    )
    compiled_from = models.JSONField(
        default=dict,
        editable=False,
        help_text="Fingerprint of the stored system message: see domain/memory/prompt.py.",
    )
    compiled_at = models.DateTimeField(null=True, editable=False)
    last_message_at = models.DateTimeField(null=True, blank=True)
    last_run_completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent"],
                condition=Q(is_default=True),
                name="one_default_conversation_per_agent",
            ),
            models.CheckConstraint(
                condition=Q(context_window_limit=None) | Q(context_window_limit__gt=0),
                name="conversation_context_window_is_positive",
            ),
        ]
        # One for each order of GET /v1/conversations/.
        indexes = [
            models.Index(fields=["agent", "created_at", "id"], name="agent_convs_by_creation"),
            models.Index(fields=["organization", "created_at", "id"], name="org_convs_by_creation"),
            # Read alone to count the quota.
            models.Index(
                fields=["organization", "agent"],
                condition=Q(deleted_at=None),
                name="org_stored_convs",
            ),
            *(
                models.Index(
                    F("agent"),
                    *nulls_last(field, descending=descending),
                    name=f"agent_convs_{name}",
                )
                for field, descending, name in [
                    ("last_message_at", False, "message_asc"),
                    ("last_message_at", True, "message_desc"),
                    ("last_run_completed_at", False, "run_asc"),
                    ("last_run_completed_at", True, "run_desc"),
                ]
            ),
        ]

    def __str__(self) -> str:
        if self.is_default:
            return f"default conversation of {self.agent_id}"
        return self.summary or self.id


class IsolatedBlockQuerySet(OrganizationQuerySet["IsolatedBlock"]):
    """Query sets of isolated blocks."""

    organization_path = "conversation__organization"

    def in_order(self) -> Self:
        """Sort by the time of isolation, the order of `isolated_block_ids`."""
        return self.order_by("id")

    def of_label(self, label: str) -> Self:
        """Return the isolated blocks of a label."""
        return self.filter(label=label) if is_storable(label) else self.none()

    def with_drift(self) -> Self:
        """Add `drift`, `shared_id` and `shared_value`, computed by the database."""
        # With a join: a subquery would run for each row.
        links = "conversation__agent__block_links"
        return self.annotate(
            shared_link=FilteredRelation(links, condition=Q(**{f"{links}__label": F("label")})),
            shared_id=F("shared_link__block"),
            shared_value=F("shared_link__block__value"),
        ).annotate(
            drift=drift_expression(
                base="base_value", shared="shared_value", isolated="block__value"
            )
        )

    def of_drifts(self, drifts: Collection[str]) -> Self:
        """Return those with one of these drifts."""
        return self.with_drift().filter(Q(drift__in=drifts))


class IsolatedBlock(models.Model):
    """An isolated block in force: the conversation reads `block` as `label`.

    `label` always equals `block.label`. A constraint on both tables would need a trigger or a
    composite foreign key, which Django does not have; `check_memory` reports a difference.
    """

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="isolations")
    block = models.ForeignKey(Block, models.CASCADE, related_name="isolations")
    label = models.CharField(max_length=LABEL_LENGTH, editable=False)
    source_block = models.ForeignKey(
        Block,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        help_text="The shared block of the base.",
    )
    base_value = models.TextField(
        editable=False,
        help_text="The shared text when the label was isolated or last reset, rebased or promoted.",
    )
    base_version = models.PositiveIntegerField(editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = IsolatedBlockQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "label"],
                name="one_isolated_block_per_conversation_and_label",
            ),
            models.UniqueConstraint(
                fields=["block"], name="block_is_isolated_in_one_conversation_only"
            ),
        ]

    def __str__(self) -> str:
        return self.label
