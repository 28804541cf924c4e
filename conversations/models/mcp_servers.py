"""MCP servers, whose tools agents may have."""

from django.db import models

from ..ids import PrefixedUUIDField
from .base import OrganizationModel, OrganizationQuerySet
from .secrets import SecretField


class McpServerQuerySet(OrganizationQuerySet["McpServer"]):
    """Query sets of MCP servers."""


class McpServer(OrganizationModel):
    """A server that speaks the Model Context Protocol. Its tools are rows of `Tool`."""

    class Kind(models.TextChoices):
        """How to speak with it."""

        STREAMABLE_HTTP = "streamable_http", "streamable HTTP"
        SSE = "sse", "SSE"

    id = PrefixedUUIDField(prefix="mcp_server", primary_key=True)
    name = models.CharField(max_length=200)
    kind = models.CharField("protocol", max_length=20, choices=Kind)
    url = models.CharField("URL", max_length=2000)
    auth_header = models.CharField(  # noqa: DJ001 (null on the wire)
        max_length=200, null=True, blank=True, help_text="The header that has the token."
    )
    # The type of the field knows no null.
    token = SecretField(null=True)  # type: ignore[misc]

    objects = McpServerQuerySet.as_manager()

    class Meta:
        verbose_name = "MCP server"
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "name"], name="mcp_server_name_is_unique_per_organization"
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["streamable_http", "sse"]), name="mcp_server_kind"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class McpHeaderQuerySet(OrganizationQuerySet["McpHeader"]):
    """Query sets of headers."""

    organization_path = "server__organization"


class McpHeader(models.Model):
    """A header of each request to an MCP server."""

    server = models.ForeignKey(McpServer, models.CASCADE, related_name="headers")
    name = models.CharField(max_length=200)
    value = SecretField()

    objects = McpHeaderQuerySet.as_manager()

    class Meta:
        verbose_name = "header"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["server", "name"], name="header_is_unique_per_mcp_server"
            )
        ]

    def __str__(self) -> str:
        return self.name
