"""Which block an agent or a conversation read in the past."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q

from .agents import Agent
from .base import OrganizationQuerySet
from .blocks import LABEL_LENGTH, Block
from .conversations import Conversation


class ReadingPeriodQuerySet(OrganizationQuerySet["ReadingPeriod"]):
    """Query sets of reading periods."""

    organization_path = "block__organization"

    def open(self) -> Self:
        """Return those that have not ended."""
        return self.filter(until=None)

    def at(self, moment: datetime) -> Self:
        """Return those that include this time."""
        return self.filter(Q(until=None) | Q(until__gt=moment), since__lte=moment)

    def in_prompt_order(self) -> Self:
        """Sort by position."""
        return self.order_by("position", "id")


class ReadingPeriod(models.Model):
    """The time for which a block was read as a label, by an agent or by one conversation.

    `AgentBlock` and `IsolatedBlock` have the present; this is their history.
    """

    agent = models.ForeignKey(Agent, models.CASCADE, null=True, related_name="reading_periods")
    conversation = models.ForeignKey(
        Conversation, models.CASCADE, null=True, related_name="reading_periods"
    )
    block = models.ForeignKey(Block, models.CASCADE, related_name="reading_periods")
    label = models.CharField(max_length=LABEL_LENGTH)
    position = models.PositiveIntegerField(help_text="Position in the prompt; 0 if isolated.")
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    begun_by = models.ForeignKey(
        "conversations.Member", models.SET_NULL, null=True, related_name="+"
    )
    ended_by = models.ForeignKey(
        "conversations.Member", models.SET_NULL, null=True, related_name="+"
    )

    objects = ReadingPeriodQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(agent=None, conversation__isnull=False)
                | Q(agent__isnull=False, conversation=None),
                name="reading_period_is_of_an_agent_or_a_conversation",
            ),
            models.UniqueConstraint(
                fields=["agent", "label"],
                condition=Q(until=None, agent__isnull=False),
                name="one_open_reading_period_per_agent_and_label",
            ),
            models.UniqueConstraint(
                fields=["conversation", "label"],
                condition=Q(until=None, conversation__isnull=False),
                name="one_open_reading_period_per_conversation_and_label",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} since {self.since:%Y-%m-%d %H:%M}"
