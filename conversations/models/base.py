"""The base classes, fields and lookups that models of several modules share."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.lookups import IsNull
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

if TYPE_CHECKING:
    from .accounts import Organization

    TextLookup = models.Lookup[str]
else:
    TextLookup = models.Lookup

M = TypeVar("M", bound=models.Model)
Q = TypeVar("Q", bound=models.QuerySet[Any])

# A condition with its parameters.
SQL = tuple[str, tuple[Any, ...]]


class OrganizationQuerySet(models.QuerySet[M]):
    """Query sets of rows that one organization owns, directly or by the row they belong to."""

    organization_path = "organization"

    def in_organization(self, organization: "Organization | str") -> Self:
        """Return the rows of an organization or its id. Every lookup starts here."""
        return self.filter(**{self.organization_path: organization})

    def get_or_none(self, **conditions: Any) -> M | None:
        """Return the one matching row, or None. Half the cost of `first()`, which sorts."""
        try:
            return self.get(**conditions)
        except ObjectDoesNotExist:
            return None


class OrganizationModel(models.Model):
    """A row that one organization owns, with who created it and who changed it last."""

    organization = models.ForeignKey("conversations.Organization", models.CASCADE)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    created_by = models.ForeignKey(
        "conversations.Member",
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    last_updated_by = models.ForeignKey(
        "conversations.Member",
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )

    class Meta:
        abstract = True


def nulls_last(field: str, *, descending: bool) -> list[models.expressions.OrderBy]:
    """Return an order by a nullable time, then id, with nulls last in both directions.

    An expression, because SQLite has no NULLS LAST in indexes and an index with it serves one
    direction only.
    """
    is_null = IsNull(models.F(field), True)
    keys = [models.F(field), models.F("id")]
    return [is_null.asc(), *((key.desc() if descending else key.asc()) for key in keys)]


class TagsField(models.JSONField):
    """A list of words in the given order. `tags__has_tag="x"` works on both databases."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **{**kwargs, "default": list, "blank": True})

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["default"], kwargs["blank"]
        return name, path, args, kwargs


@TagsField.register_lookup
class HasTag(TextLookup):
    """Whether a list of tags contains one; JSONField's `contains` does not exist on SQLite."""

    lookup_name = "has_tag"
    prepare_rhs = False

    def get_db_prep_lookup(self, value: Any, connection: BaseDatabaseWrapper) -> SQL:
        return "%s", (str(value),)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        """Search the list with json_each."""
        lhs, lhs_params = self.process_lhs(compiler, connection)
        rhs, rhs_params = self.process_rhs(compiler, connection)
        return f"{rhs} IN (SELECT value FROM json_each({lhs}))", (*rhs_params, *lhs_params)  # noqa: S608 (Django compiled both sides)

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        """Search the list with the function behind the operator `?`, which drivers misread."""
        lhs, lhs_params = self.process_lhs(compiler, connection)
        rhs, rhs_params = self.process_rhs(compiler, connection)
        return f"jsonb_exists({lhs}, {rhs})", (*lhs_params, *rhs_params)


def with_tags(queryset: Q, tags: Collection[str], *, match_all: bool = False) -> Q:
    """Return the rows with any of `tags`, or with all of them; every row without tags."""
    if not tags:
        return queryset
    conditions = [models.Q(tags__has_tag=tag) for tag in tags]
    connector = models.Q.AND if match_all else models.Q.OR
    return queryset.filter(models.Q(*conditions, _connector=connector))
