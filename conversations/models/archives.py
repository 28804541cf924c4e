"""Archives and their passages: texts that agents search instead of reading at every turn."""

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from ..ids import PrefixedUUIDField
from .agents import Agent
from .base import (
    SQL,
    OrganizationModel,
    OrganizationQuerySet,
    TaggedQuerySet,
    TagsField,
    TextLookup,
)

if TYPE_CHECKING:
    from .folders import Folder

    Field = models.Field[Sequence[float] | None, Sequence[float] | None]
    TextField = models.TextField[str | None, str | None]
else:
    Field = models.Field
    TextField = models.TextField

# Lengths of common vectors, for which migrations create an index; `vector_index` adds others.
INDEXED_DIMENSIONS = (384, 768, 1024, 1536, 3072)
# pgvector's maximum for an index of half-precision vectors.
MAX_INDEXED_DIMENSIONS = 4_000


def vector_index_name(dimensions: int) -> str:
    """Return the name of the index of the vectors of this length."""
    return f"passage_vectors_{dimensions}"


def vector_index_sql(dimensions: int, *, concurrently: bool = False) -> str:
    """Return the statement that creates the index of the vectors of this length."""
    return (
        f"CREATE INDEX {'CONCURRENTLY ' if concurrently else ''}IF NOT EXISTS "
        f"{vector_index_name(dimensions)} ON conversations_passage "
        f"USING hnsw ((embedding::halfvec({dimensions})) halfvec_cosine_ops) "
        f"WHERE dimensions = {dimensions} AND deleted_at IS NULL"
    )


class VectorField(Field):
    """Numbers of single precision: `real[]` on PostgreSQL, their bytes on SQLite.

    pgvector casts `real[]` to its own types, so the column and its rows do not depend on it.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "real[]" if connection.vendor == "postgresql" else "blob"

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        if value is None or isinstance(value, bytes):
            return value
        return list(value) if connection.vendor == "postgresql" else array("f", value).tobytes()

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        """Return the numbers of a stored vector, as a float of double precision has them."""
        if value is None:
            return None
        numbers = array("f", [] if isinstance(value, bytes) else value)
        if isinstance(value, bytes):
            numbers.frombytes(value)
        return numbers.tolist()


class SearchDocument(models.Func):
    """The words of a passage, with the id of its archive as one more word.

    So that the index finds the words within one archive. The text is cut because PostgreSQL stores
    at most one megabyte of words. SQLite reads the texts themselves.
    """

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> SQL:
        return "NULL", ()

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> SQL:
        """Build the tsvector."""
        text, archive = (compiler.compile(each)[0] for each in self.get_source_expressions())
        words = f"to_tsvector('simple'::regconfig, left({text}, 100000))"
        return f"{words} || array_to_tsvector(ARRAY[{archive}::text])", ()


class WordsField(TextField):
    """A tsvector on PostgreSQL."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "tsvector" if connection.vendor == "postgresql" else "text"


@WordsField.register_lookup
class Matches(TextLookup):
    """Whether words match a tsquery, as in `words__matches="'sea' & 'ice'"`. PostgreSQL only."""

    lookup_name = "matches"
    prepare_rhs = False

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        """Use the operator of the index."""
        lhs, lhs_params = self.process_lhs(compiler, connection)
        rhs, rhs_params = self.process_rhs(compiler, connection)
        return f"{lhs} @@ {rhs}::tsquery", (*lhs_params, *rhs_params)


class WordRank(models.Func):
    """How well words match a tsquery. PostgreSQL only."""

    template = "ts_rank(%(expressions)s::tsquery)"
    output_field = models.FloatField()


class CosineDistance(models.Expression):
    """The cosine distance of vectors of one length from a given one. PostgreSQL only.

    With pgvector, an order by it uses the index, unless `is_exact`, which computes the distance of
    every row.
    """

    output_field = models.FloatField()

    def __init__(self, vector: Sequence[float], *, has_pgvector: bool, is_exact: bool):
        super().__init__()
        self.vector, self.has_pgvector, self.is_exact = vector, has_pgvector, is_exact

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        table = connection.ops.quote_name(compiler.query.get_initial_alias())
        if not self.has_pgvector:
            sums = "sum(a * b) / nullif(sqrt(sum(a * a) * sum(b * b)), 0)"
            pairs = f"unnest({table}.embedding, %s::real[]) AS pairs(a, b)"
            return f"(SELECT 1 - {sums} FROM {pairs})", (list(self.vector),)  # noqa: S608 (names only)
        kind = f"halfvec({len(self.vector)})"
        distance = f"({table}.embedding::{kind} <=> %s::{kind})"
        vector = f"[{','.join(map(repr, self.vector))}]"
        return f"({distance} + 0)" if self.is_exact else distance, (vector,)


class PassageQuerySet(TaggedQuerySet["Passage"]):
    """Query sets of passages. Vectors are read only `with_vectors()`."""

    def live(self) -> Self:
        """Return those that are not deleted and whose archive is not."""
        return self.filter(deleted_at=None, archive__deleted_at=None)

    def of_archives(self) -> Self:
        """Return those that are not chunks of files."""
        return self.filter(file=None)

    def of_agent(self, agent: Agent) -> Self:
        """Return those of the archive that is attached to an agent."""
        return self.filter(archive__agent_links__agent=agent)

    def of_folder(self, folder: "Folder") -> Self:
        """Return the chunks of the files in a folder."""
        return self.filter(archive__folder=folder)

    def of_files(self, agent: Agent) -> Self:
        """Return the chunks of the files in the folders that are attached to an agent."""
        return self.filter(file__agent_links__agent=agent)

    def created_between(self, start: Any = None, end: Any = None) -> Self:
        """Return those created at these times or between them; None is unlimited."""
        rows = self if start is None else self.filter(created_at__gte=start)
        return rows if end is None else rows.filter(created_at__lte=end)

    def containing(self, text: str) -> Self:
        """Return those whose text contains this one, in any case."""
        return self.filter(text__icontains=text)

    def with_vectors(self) -> Self:
        """Read the vectors, too."""
        return self.defer(None).defer("words")


class ArchiveQuerySet(OrganizationQuerySet["Archive"]):
    """Query sets of archives."""

    def live(self) -> Self:
        """Return those that are not deleted and are not the archive of a folder."""
        return self.filter(deleted_at=None, folder=None)


class Archive(OrganizationModel):
    """A store of passages. Agents search the one that is attached to them."""

    id = PrefixedUUIDField(prefix="archive", primary_key=True)
    name = models.CharField(max_length=200)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001 (null on the wire)
    embedding = models.CharField(  # noqa: DJ001
        max_length=200,
        null=True,
        blank=True,
        help_text="A handle: provider/model. It makes the vectors; without it, search is by words.",
    )
    metadata = models.JSONField(null=True, blank=True)
    agents = models.ManyToManyField(Agent, through="AgentArchive", related_name="archives")
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ArchiveQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["organization", "created_at", "id"], name="archives_by_creation")
        ]

    def __str__(self) -> str:
        return self.name


class AgentArchiveQuerySet(OrganizationQuerySet["AgentArchive"]):
    """Query sets of attached archives."""

    organization_path = "agent__organization"


class AgentArchive(models.Model):
    """An archive that is attached to an agent."""

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="archive_links")
    archive = models.ForeignKey(Archive, models.CASCADE, related_name="agent_links")
    is_owner = models.BooleanField(
        default=False, help_text="The archive was created for the agent and is purged with it."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = AgentArchiveQuerySet.as_manager()

    class Meta:
        verbose_name = "attached archive"
        constraints = [models.UniqueConstraint(fields=["agent"], name="one_archive_per_agent")]

    def __str__(self) -> str:
        return f"{self.archive_id} of {self.agent_id}"


class PassageManager(models.Manager.from_queryset(PassageQuerySet)):  # type: ignore[misc]  # a class made at run time
    """Leaves the large columns out, which few callers read."""

    def get_queryset(self) -> PassageQuerySet:
        rows: PassageQuerySet = super().get_queryset().defer("embedding", "words")
        return rows


class Passage(OrganizationModel):
    """A text in an archive. It never changes.

    `embed_at` is when its vector is due: it is null once there is one, or if none is to come.
    """

    MAX_LENGTH = 100_000

    id = PrefixedUUIDField(prefix="passage", primary_key=True)
    archive = models.ForeignKey(Archive, models.CASCADE, related_name="passages")
    file = models.ForeignKey(
        "conversations.File",
        models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="passages",
        help_text="The file that it is a chunk of.",
    )
    text = models.TextField(blank=True)
    characters = models.GeneratedField(
        expression=Length("text"),
        output_field=models.PositiveIntegerField(),
        db_persist=True,
        help_text="Length of the text; quotas add it up.",
    )
    tags = TagsField()
    metadata = models.JSONField(default=dict, blank=True)
    embedding = VectorField(null=True, editable=False)
    dimensions = models.PositiveSmallIntegerField(
        null=True, editable=False, help_text="The length of the vector."
    )
    embed_at = models.DateTimeField(null=True, blank=True, editable=False)
    embed_attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    words = models.GeneratedField(
        expression=SearchDocument(F("text"), F("archive")),
        output_field=WordsField(null=True),
        db_persist=True,
    )
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = PassageManager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(embedding=None, dimensions=None)
                | Q(embedding__isnull=False, dimensions__gt=0),
                name="passage_dimensions_are_of_its_vector",
            )
        ]
        indexes = [
            models.Index(
                fields=["archive", "created_at", "id"],
                condition=Q(deleted_at=None),
                name="archive_passages_by_creation",
            ),
            models.Index(
                fields=["organization", "created_at", "id"],
                condition=Q(deleted_at=None),
                name="passages_by_creation",
            ),
            # Read alone to add up the quota.
            models.Index(
                fields=["organization", "characters"],
                condition=Q(deleted_at=None),
                name="passage_characters",
            ),
            models.Index(
                fields=["embed_at"],
                condition=Q(embed_at__isnull=False),
                name="passages_without_vector",
            ),
        ]

    def __str__(self) -> str:
        return self.text[:80]
