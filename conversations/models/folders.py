"""Folders and their files: documents that agents open, search by pattern and search by meaning."""

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Count, Q
from django.utils import timezone

from ..ids import PrefixedUUIDField
from .base import OrganizationModel, OrganizationQuerySet

if TYPE_CHECKING:
    from .agents import Agent


class FolderQuerySet(OrganizationQuerySet["Folder"]):
    """Query sets of folders."""

    def of_agent(self, agent: "Agent") -> Self:
        """Return those that are attached to an agent, in the order of attaching."""
        return self.filter(agent_links__agent=agent).order_by("agent_links__id")


class Folder(OrganizationModel):
    """A collection of files. The chunks of their texts are passages of the folder's archive."""

    MAX_NAME_LENGTH = 200

    id = PrefixedUUIDField(prefix="source", primary_key=True)
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001 (null on the wire)
    instructions = models.TextField(  # noqa: DJ001
        null=True, blank=True, help_text="How agents use the folder; prompts have it."
    )
    metadata = models.JSONField(null=True, blank=True)
    archive = models.OneToOneField(
        "conversations.Archive",
        models.PROTECT,
        related_name="folder",
        editable=False,
        help_text="Of the chunks.",
    )
    agents = models.ManyToManyField(
        "conversations.Agent", through="AgentFolder", related_name="folders"
    )

    objects = FolderQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "name"], name="folder_name_is_unique_per_organization"
            )
        ]
        indexes = [
            models.Index(fields=["organization", "created_at", "id"], name="folders_by_creation")
        ]

    def __str__(self) -> str:
        return self.name


class AgentFolderQuerySet(OrganizationQuerySet["AgentFolder"]):
    """Query sets of attached folders."""

    organization_path = "agent__organization"


class AgentFolder(models.Model):
    """A folder that is attached to an agent."""

    agent = models.ForeignKey("conversations.Agent", models.CASCADE, related_name="folder_links")
    folder = models.ForeignKey(Folder, models.CASCADE, related_name="agent_links")

    objects = AgentFolderQuerySet.as_manager()

    class Meta:
        verbose_name = "attached folder"
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "folder"], name="folder_attached_once_per_agent"
            )
        ]

    def __str__(self) -> str:
        return f"{self.folder_id} of {self.agent_id}"


class FileStatus(models.TextChoices):
    """How far the server is with a file."""

    PARSING = "parsing", "parsing"
    PARSED = "parsed", "parsed"
    ERROR = "error", "error"


class FileQuerySet(OrganizationQuerySet["File"]):
    """Query sets of files."""

    def of_folder(self, folder: Folder) -> Self:
        """Return those in a folder."""
        return self.filter(folder=folder)

    def with_progress(self) -> Self:
        """Annotate `pending`: the number of chunks whose vectors are to come."""
        waiting = Q(passages__embed_at__isnull=False)
        return self.annotate(pending=Count("passages", filter=waiting))

    def due(self) -> Self:
        """Return those whose text is to be read now."""
        return self.filter(parse_at__lte=timezone.now())


class FileManager(models.Manager.from_queryset(FileQuerySet)):  # type: ignore[misc]  # a class made at run time
    """Leaves the large columns out, which few callers read."""

    def get_queryset(self) -> FileQuerySet:
        rows: FileQuerySet = super().get_queryset().defer("content", "upload")
        return rows


class File(OrganizationModel):
    """A file that was uploaded to a folder, and its text.

    A worker reads the text at `parse_at`; until then `upload` has the bytes.
    """

    MAX_NAME_LENGTH = 255

    id = PrefixedUUIDField(prefix="file", primary_key=True)
    folder = models.ForeignKey(Folder, models.CASCADE, related_name="files")
    name = models.CharField(max_length=MAX_NAME_LENGTH, help_text="Unique in the folder.")
    original_name = models.CharField(
        max_length=MAX_NAME_LENGTH, help_text="The name that it was uploaded with."
    )
    media_type = models.CharField(max_length=200, blank=True)
    size = models.PositiveIntegerField(help_text="In bytes.")
    upload = models.BinaryField(null=True, editable=False)
    content = models.TextField(null=True, editable=False)  # noqa: DJ001 (null until it is read)
    status = models.CharField(max_length=7, choices=FileStatus.choices, default=FileStatus.PARSING)
    error = models.TextField(blank=True)
    chunks = models.PositiveIntegerField(null=True, help_text="The number of its passages.")
    parse_at = models.DateTimeField(null=True, editable=False)
    parse_attempts = models.PositiveSmallIntegerField(default=0, editable=False)

    objects = FileManager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["folder", "name"], name="file_name_is_unique_in_folder"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["parsing", "parsed", "error"]), name="file_status_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(status="parsed") | Q(content__isnull=False),
                name="parsed_file_has_its_text",
            ),
        ]
        indexes = [
            models.Index(fields=["folder", "created_at", "id"], name="files_by_creation"),
            models.Index(
                fields=["parse_at"], condition=Q(parse_at__isnull=False), name="files_to_parse"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AgentFileQuerySet(OrganizationQuerySet["AgentFile"]):
    """Query sets of files of agents."""

    organization_path = "agent__organization"

    def in_prompt_order(self) -> Self:
        """Sort by folder in the order of attaching, then by file, oldest first."""
        return self.order_by("folder_link_id", "file__created_at", "file_id")

    def with_content(self) -> Self:
        """Read the texts of open files with them, which the others leave out."""
        return self.select_related("file__folder").defer("file__upload")


class AgentFile(models.Model):
    """A file of an attached folder, and whether the agent has opened it.

    An open file is in the prompts of the agent's conversations: its lines from `start_line`, which
    counts from 0, up to `end_line`, as far as the agent's limit permits.
    """

    id = PrefixedUUIDField(prefix="file_agent", primary_key=True)
    agent = models.ForeignKey("conversations.Agent", models.CASCADE, related_name="file_links")
    folder_link = models.ForeignKey(AgentFolder, models.CASCADE, related_name="files")
    file = models.ForeignKey(File, models.CASCADE, related_name="agent_links")
    is_open = models.BooleanField(default=False)
    start_line = models.PositiveIntegerField(null=True)
    end_line = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    accessed_at = models.DateTimeField(
        default=timezone.now, help_text="When an agent opened or found it; the oldest is closed."
    )

    objects = AgentFileQuerySet.as_manager()

    class Meta:
        verbose_name = "file of an agent"
        verbose_name_plural = "files of agents"
        constraints = [
            models.UniqueConstraint(fields=["agent", "file"], name="file_is_once_per_agent")
        ]

    def __str__(self) -> str:
        return f"{self.file_id} of {self.agent_id}"
