"""Identities: the end users of an organization's agents, with their agents and blocks."""

from typing import Any, Self

from django.db import models
from django.db.models import Prefetch, Q

from ..ids import PrefixedUUIDField
from .base import OrganizationModel, OrganizationQuerySet


class IdentityType(models.TextChoices):
    """What an identity stands for."""

    ORG = "org", "organization"
    USER = "user", "user"
    OTHER = "other", "other"


class IdentityQuerySet(OrganizationQuerySet["Identity"]):
    """Query sets of identities."""

    def live(self) -> Self:
        """Return those that are not deleted."""
        return self.filter(deleted_at=None)

    def with_links(self) -> Self:
        """Prefetch the first `MAX_LINKS` agents and blocks of each, without deleted ones."""
        agents = AgentIdentity.objects.filter(agent__deleted_at=None).order_by("id")
        blocks = BlockIdentity.objects.filter(block__deleted_at=None).order_by("id")
        prefetches: list[Prefetch[str, Any, str]] = [
            Prefetch("agent_links", queryset=agents[: Identity.MAX_LINKS], to_attr="first_agents"),
            Prefetch("block_links", queryset=blocks[: Identity.MAX_LINKS], to_attr="first_blocks"),
        ]
        return self.prefetch_related(*prefetches)


class Identity(OrganizationModel):
    """An end user, or a group of them, known by a key that the programs choose."""

    MAX_LINKS = 200

    id = PrefixedUUIDField(prefix="identity", primary_key=True)
    identifier_key = models.CharField(
        max_length=200, help_text="Your own id of the user, unique in the organization."
    )
    name = models.CharField(max_length=200, blank=True)
    identity_type = models.CharField(max_length=5, choices=IdentityType.choices)
    properties = models.JSONField(
        default=list, blank=True, help_text="Objects with `key`, `value` and `type`."
    )
    project_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001
    agents = models.ManyToManyField(
        "conversations.Agent", through="AgentIdentity", related_name="identities"
    )
    blocks = models.ManyToManyField(
        "conversations.Block", through="BlockIdentity", related_name="identities"
    )
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = IdentityQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "identities"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "identifier_key"],
                condition=Q(deleted_at=None),
                name="identifier_key_is_unique_per_organization",
            ),
            models.CheckConstraint(
                condition=Q(identity_type__in=["org", "user", "other"]),
                name="identity_type_is_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["organization", "created_at", "id"],
                condition=Q(deleted_at=None),
                name="identities_by_creation",
            )
        ]

    def __str__(self) -> str:
        return self.name or self.identifier_key


class AgentIdentityQuerySet(OrganizationQuerySet["AgentIdentity"]):
    """Query sets of identities of agents."""

    organization_path = "agent__organization"

    def live(self) -> Self:
        """Return those whose identity is not deleted."""
        return self.filter(identity__deleted_at=None)


class AgentIdentity(models.Model):
    """An identity that is attached to an agent."""

    agent = models.ForeignKey("conversations.Agent", models.CASCADE, related_name="identity_links")
    identity = models.ForeignKey(Identity, models.CASCADE, related_name="agent_links")

    objects = AgentIdentityQuerySet.as_manager()

    class Meta:
        verbose_name = "identity of an agent"
        verbose_name_plural = "identities of agents"
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "identity"], name="identity_attached_once_per_agent"
            )
        ]

    def __str__(self) -> str:
        return f"{self.identity_id} of {self.agent_id}"


class BlockIdentityQuerySet(OrganizationQuerySet["BlockIdentity"]):
    """Query sets of identities of blocks."""

    organization_path = "block__organization"

    def live(self) -> Self:
        """Return those whose identity is not deleted."""
        return self.filter(identity__deleted_at=None)


class BlockIdentity(models.Model):
    """A block that is about an identity. No prompt has it because of that."""

    block = models.ForeignKey("conversations.Block", models.CASCADE, related_name="identity_links")
    identity = models.ForeignKey(Identity, models.CASCADE, related_name="block_links")

    objects = BlockIdentityQuerySet.as_manager()

    class Meta:
        verbose_name = "identity of a block"
        verbose_name_plural = "identities of blocks"
        constraints = [
            models.UniqueConstraint(
                fields=["block", "identity"], name="identity_attached_once_per_block"
            )
        ]

    def __str__(self) -> str:
        return f"{self.identity_id} of {self.block_id}"
