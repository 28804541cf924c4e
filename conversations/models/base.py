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


class ListLookup(TextLookup):
    """Whether a JSON list contains something; its `contains` does not exist on SQLite.

    The conditions have the list as `lhs` and the parameter as `rhs`, in this order.
    """

    prepare_rhs = False
    sqlite: str
    postgresql: str

    def get_db_prep_lookup(self, value: Any, connection: BaseDatabaseWrapper) -> SQL:
        return "%s", (str(value),)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        lhs, lhs_params = self.process_lhs(compiler, connection)
        rhs, rhs_params = self.process_rhs(compiler, connection)
        condition = self.postgresql if connection.vendor == "postgresql" else self.sqlite
        return condition.format(lhs=lhs, rhs=rhs), (*lhs_params, *rhs_params)


@TagsField.register_lookup
class HasTag(ListLookup):
    """Whether a list of tags contains one."""

    lookup_name = "has_tag"
    sqlite = "EXISTS (SELECT 1 FROM json_each({lhs}) WHERE value = {rhs})"
    # Unlike jsonb_exists(), an index serves it.
    postgresql = "{lhs} @> jsonb_build_array({rhs}::text)"


class TaggedQuerySet(OrganizationQuerySet[M]):
    """Query sets of rows with tags."""

    def with_tags(self, tags: Collection[str], *, match_all: bool = False) -> Self:
        """Return those with any of these tags, or with all of them; all rows without tags."""
        conditions = [models.Q(tags__has_tag=tag) for tag in tags]
        connector = models.Q.AND if match_all else models.Q.OR
        return self.filter(models.Q(*conditions, _connector=connector))
