"""What the tenants' models have in common."""

from typing import Self

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.models.lookups import IsNull
from django.utils import timezone


class OrganizationQuerySet(models.QuerySet):
    def in_organization(self, organization) -> Self:
        """The rows this organization (or the one of this id) owns: where every lookup starts."""
        return self.filter(organization=organization)

    def get_or_none(self, **conditions):
        """The one row that fits, or None. Half the price of `first()`, which sorts."""
        try:
            return self.get(**conditions)
        except ObjectDoesNotExist:
            return None


class OrganizationModel(models.Model):
    """A row that one organization owns, and who made and last changed it."""

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
    """An order by a nullable time, then id, in which nulls come last in both directions.

    Spelled as an expression because SQLite takes no NULLS LAST in an index, and because an index
    that has it serves one direction only.
    """
    is_null = IsNull(models.F(field), True)
    keys = [models.F(field), models.F("id")]
    return [is_null.asc(), *((key.desc() if descending else key.asc()) for key in keys)]


class TagsField(models.JSONField):
    """A list of words, in the order given. `tags__has_tag="x"` works on both databases."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{**kwargs, "default": list, "blank": True})

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        del kwargs["default"], kwargs["blank"]
        return name, path, args, kwargs


@TagsField.register_lookup
class HasTag(models.Lookup):
    """JSONField's own `contains` does not exist on SQLite."""

    lookup_name = "has_tag"
    prepare_rhs = False

    def get_db_prep_lookup(self, value, connection):
        return "%s", [str(value)]

    def as_sqlite(self, compiler, connection):
        lhs, lhs_params = self.process_lhs(compiler, connection)
        rhs, rhs_params = self.process_rhs(compiler, connection)
        return f"{rhs} IN (SELECT value FROM json_each({lhs}))", (*rhs_params, *lhs_params)  # noqa: S608 (Django compiled both sides)

    def as_postgresql(self, compiler, connection):
        lhs, lhs_params = self.process_lhs(compiler, connection)
        rhs, rhs_params = self.process_rhs(compiler, connection)
        # jsonb_exists is the function behind the operator `?`, which drivers take for a parameter.
        return f"jsonb_exists({lhs}, {rhs})", (*lhs_params, *rhs_params)


def with_tags(queryset, tags, *, match_all: bool = False):
    """The rows that carry any of `tags`, or all of them; every row when there are none."""
    if not tags:
        return queryset
    conditions = [models.Q(tags__has_tag=tag) for tag in tags]
    connector = models.Q.AND if match_all else models.Q.OR
    return queryset.filter(models.Q(*conditions, _connector=connector))
