"""Tools, which agents have them, and the environment variables of an agent's tools."""

from typing import TYPE_CHECKING, Self

from django.db import models

from ..ids import PrefixedUUIDField
from .base import OrganizationModel, OrganizationQuerySet, TaggedQuerySet, TagsField
from .secrets import SecretField

if TYPE_CHECKING:
    from .agents import Agent


class ToolQuerySet(TaggedQuerySet["Tool"]):
    """Query sets of tools."""

    def of_agent(self, agent: "Agent") -> Self:
        """Return the tools of an agent in their order."""
        return self.filter(agent_links__agent=agent).order_by("agent_links__position")

    def matching(self, text: str) -> Self:
        """Return those whose name or description contains every word, matching names first."""
        conditions = models.Q()
        for word in text.split():
            conditions &= models.Q(name__icontains=word) | models.Q(description__icontains=word)
        in_name = models.Q(name__icontains=text.strip())
        rank = models.Case(models.When(in_name, then=0), default=1)
        return self.filter(conditions).order_by(rank, "name")


class Tool(OrganizationModel):
    """A function that a model may call."""

    CUSTOM = "custom"
    MCP = "external_mcp"
    # Of V1's types, those of the tools that a server brings along.
    BUILT_IN_PREFIX = "letta_"
    RETURN_CHAR_LIMIT = 50_000

    id = PrefixedUUIDField(prefix="tool", primary_key=True)
    name = models.CharField(max_length=200, help_text="The name by which a model calls it.")
    tool_type = models.CharField(max_length=50, default=CUSTOM, editable=False)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001 (null on the wire)
    source_type = models.CharField(max_length=20, default="python", blank=True, editable=False)
    source_code = models.TextField(null=True, blank=True)  # noqa: DJ001
    json_schema = models.JSONField(
        null=True, blank=True, help_text="Name, description and parameters, as the model sees it."
    )
    args_json_schema = models.JSONField(null=True, blank=True, editable=False)
    return_char_limit = models.PositiveIntegerField(
        default=RETURN_CHAR_LIMIT, help_text="Longer results are cut, in characters."
    )
    tags = TagsField()
    pip_requirements = models.JSONField(null=True, blank=True, editable=False)
    npm_requirements = models.JSONField(null=True, blank=True, editable=False)
    default_requires_approval = models.BooleanField(
        null=True, blank=True, help_text="Agents that it is attached to ask before each call."
    )
    enable_parallel_execution = models.BooleanField(
        default=False, help_text="Several calls may run at the same time."
    )
    network = models.BooleanField(default=False, help_text="Its code may use the network.")
    metadata = models.JSONField(default=dict, blank=True)
    mcp_server = models.ForeignKey(
        "conversations.McpServer",
        models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="tools",
    )
    # What the MCP server calls it.
    mcp_name = models.CharField(max_length=200, null=True, editable=False)  # noqa: DJ001

    objects = ToolQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "name"], name="tool_name_is_unique_per_organization"
            ),
            models.UniqueConstraint(
                fields=["mcp_server", "mcp_name"], name="mcp_name_is_unique_per_server"
            ),
            models.CheckConstraint(
                condition=models.Q(mcp_server=None, mcp_name=None)
                | models.Q(mcp_server__isnull=False, mcp_name__isnull=False),
                name="mcp_tool_has_server_and_name",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "created_at", "id"], name="tools_by_creation")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_built_in(self) -> bool:
        """Return whether the server brings this tool along."""
        return self.tool_type.startswith(self.BUILT_IN_PREFIX)


class AgentToolQuerySet(OrganizationQuerySet["AgentTool"]):
    """Query sets of attached tools."""

    organization_path = "agent__organization"

    def in_order(self) -> Self:
        """Sort by position, which counts within each agent."""
        return self.order_by("position", "id")


class AgentTool(models.Model):
    """An attached tool: the model of the agent may call it."""

    agent = models.ForeignKey("conversations.Agent", models.CASCADE, related_name="tool_links")
    tool = models.ForeignKey(Tool, models.CASCADE, related_name="agent_links")
    position = models.PositiveIntegerField(help_text="Position in the agent's list, from 0.")

    objects = AgentToolQuerySet.as_manager()

    class Meta:
        verbose_name = "attached tool"
        constraints = [
            models.UniqueConstraint(fields=["agent", "tool"], name="tool_attached_once_per_agent")
        ]

    def __str__(self) -> str:
        return f"{self.tool}"


class AgentVariableQuerySet(OrganizationQuerySet["AgentVariable"]):
    """Query sets of environment variables."""

    organization_path = "agent__organization"


class AgentVariable(models.Model):
    """An environment variable of an agent's tools."""

    id = PrefixedUUIDField(prefix="agent-env", primary_key=True)
    agent = models.ForeignKey("conversations.Agent", models.CASCADE, related_name="variables")
    name = models.CharField(max_length=200)
    value = SecretField()
    description = models.TextField(null=True, blank=True)  # noqa: DJ001

    objects = AgentVariableQuerySet.as_manager()

    class Meta:
        verbose_name = "environment variable"
        constraints = [
            models.UniqueConstraint(fields=["agent", "name"], name="variable_is_unique_per_agent")
        ]

    def __str__(self) -> str:
        return self.name
