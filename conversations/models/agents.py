"""Agents and the shared blocks attached to them."""

from typing import Self

from django.db import models
from django.db.models import F, Prefetch, Q

from ..ids import PrefixedUUIDField
from .base import OrganizationModel, OrganizationQuerySet, TaggedQuerySet, TagsField, nulls_last
from .blocks import LABEL_LENGTH
from .folders import AgentFolder
from .identities import AgentIdentity
from .tools import AgentTool

# The type of the rule by which calls of a tool need approval.
REQUIRES_APPROVAL = "requires_approval"


class OnBusy(models.TextChoices):
    """What becomes of a message that is sent to a busy conversation."""

    REJECT = "reject", "reject: respond with 409"
    QUEUE = "queue", "queue: run it after the turns that were accepted before"
    INTERRUPT = "interrupt", "interrupt: cancel those turns, then run it"


class AgentQuerySet(TaggedQuerySet["Agent"]):
    """Query sets of agents."""

    def live(self) -> Self:
        """Return those that are not deleted."""
        return self.filter(deleted_at=None)

    def tag_names(self) -> list[str]:
        """Return the tags of these agents in alphabetical order."""
        lists = self.exclude(tags=[]).order_by().values_list("tags", flat=True).distinct()
        return sorted({tag for tags in lists for tag in tags})

    def with_blocks(self) -> Self:
        """Prefetch the attached blocks in prompt order."""
        links = AgentBlock.objects.in_prompt_order().select_related("block")
        return self.prefetch_related(Prefetch("block_links", queryset=links))

    def with_tools(self) -> Self:
        """Prefetch the attached tools in order."""
        links = AgentTool.objects.in_order().select_related("tool")
        return self.prefetch_related(Prefetch("tool_links", queryset=links))

    def with_variables(self) -> Self:
        """Prefetch the environment variables of the tools."""
        return self.prefetch_related("variables")

    def with_folders(self) -> Self:
        """Prefetch the attached folders, in the order of attaching."""
        return self.prefetch_related(
            Prefetch(
                "folder_links",
                queryset=AgentFolder.objects.select_related("folder__archive").order_by("id"),
            )
        )

    def with_identities(self) -> Self:
        """Prefetch the identities."""
        links = AgentIdentity.objects.live().select_related("identity").order_by("id")
        return self.prefetch_related(Prefetch("identity_links", queryset=links))


class Agent(OrganizationModel):
    """A system prompt, blocks, tools and a model."""

    DEFAULT_CONTEXT_WINDOW = 128_000

    id = PrefixedUUIDField(prefix="agent", primary_key=True)
    name = models.CharField(max_length=200)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001 (null on the wire)
    system = models.TextField(blank=True, help_text="The system prompt, before the blocks.")
    agent_type = models.CharField(max_length=50, default="letta_v1_agent")
    model = models.CharField(max_length=200, help_text="A handle: provider/model.")
    model_settings = models.JSONField(null=True, blank=True)
    fallback_model = models.CharField(  # noqa: DJ001
        max_length=200,
        null=True,
        blank=True,
        help_text="Handle of the model that replies while the other one fails.",
    )
    on_busy = models.CharField(  # noqa: DJ001
        max_length=9,
        choices=OnBusy.choices,
        null=True,
        blank=True,
        help_text="For messages to a busy conversation; by default, background messages queue and "
        "others are rejected.",
    )
    embedding = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001
    max_files_open = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="How many files of its folders are in its prompt; by default, as its context "
        "window permits.",
    )
    per_file_view_window_char_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="How many characters of each; the same default."
    )
    files_version = models.PositiveIntegerField(
        default=0, editable=False, help_text="Counts the changes of what prompts have of files."
    )
    context_window_limit = models.PositiveIntegerField(default=DEFAULT_CONTEXT_WINDOW)
    timezone = models.CharField(max_length=64, default="UTC")
    tool_rules = models.JSONField(
        default=list, blank=True, help_text="Rules for the use of tools, as V1 writes them."
    )
    tags = TagsField()
    metadata = models.JSONField(default=dict, blank=True)
    hidden = models.BooleanField(null=True, blank=True)
    isolated_labels = models.JSONField(
        default=list,
        blank=True,
        help_text="The isolation policy: labels isolated in every new conversation.",
    )
    blocks = models.ManyToManyField(
        "conversations.Block", through="AgentBlock", related_name="agents"
    )
    tools = models.ManyToManyField(
        "conversations.Tool", through="conversations.AgentTool", related_name="agents"
    )
    last_run_completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = AgentQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(context_window_limit__gt=0), name="agent_context_window_is_positive"
            ),
            models.CheckConstraint(
                condition=Q(on_busy=None) | Q(on_busy__in=["reject", "queue", "interrupt"]),
                name="agent_on_busy_is_known",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "created_at", "id"], name="agents_by_creation"),
            models.Index(fields=["organization", "updated_at", "id"], name="agents_by_update"),
            models.Index(
                F("organization"),
                *nulls_last("last_run_completed_at", descending=True),
                name="agents_by_last_run",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def approval_tools(self) -> frozenset[str]:
        """The names of the tools whose calls need approval."""
        rules = (rule for rule in self.tool_rules if rule["type"] == REQUIRES_APPROVAL)
        return frozenset(rule["tool_name"] for rule in rules)


class AgentBlockQuerySet(OrganizationQuerySet["AgentBlock"]):
    """Query sets of attached blocks."""

    organization_path = "agent__organization"

    def in_prompt_order(self) -> Self:
        """Sort by position, which counts within each agent."""
        return self.order_by("position", "id")


class AgentBlock(models.Model):
    """An attached block: the agent's conversations read it unless they isolated its label."""

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="block_links")
    block = models.ForeignKey("conversations.Block", models.CASCADE, related_name="agent_links")
    label = models.CharField(
        max_length=LABEL_LENGTH,
        editable=False,
        help_text="Copy of the block's label, for uniqueness.",
    )
    position = models.PositiveIntegerField(help_text="Position in the prompt, from 0.")

    objects = AgentBlockQuerySet.as_manager()

    class Meta:
        verbose_name = "attached block"
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "label"], name="one_block_per_agent_and_label"
            ),
            models.UniqueConstraint(
                fields=["agent", "block"], name="block_attached_once_per_agent"
            ),
        ]

    def __str__(self) -> str:
        return self.label
