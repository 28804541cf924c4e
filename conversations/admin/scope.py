"""Which rows an operator sees, and as whom the operator writes."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import ForeignKey, Q, QuerySet
from django.http import HttpRequest

from ..domain.actor import Actor, Source
from ..domain.audit import record
from ..models import AuditAction, Member, Organization

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin  # which is not generic at run time


def member_of(request: Any) -> Member | None:
    """Return the operator's active member; one query per request."""
    # The name is ours alone: middleware of the host may set others.
    if not hasattr(request, "conversations_member"):
        linked = Member.objects.filter(user=request.user.pk, is_active=True)
        request.conversations_member = linked.select_related("organization").first()
    member: Member | None = request.conversations_member
    return member


def organization_of(request: HttpRequest) -> Organization | None:
    """Return the operator's organization; a superuser may have none."""
    member = member_of(request)
    return member.organization if member else None


def actor(request: HttpRequest) -> Actor:
    """Return the operator as the actor of a verb; a superuser gets a member if none is linked."""
    member = member_of(request)
    if member is None and request.user.is_superuser:
        name = request.user.get_username()[: Member._meta.get_field("name").max_length]
        member, _ = Member.objects.get_or_create(user_id=request.user.pk, defaults={"name": name})
    return Actor(member, Source.ADMIN)


def record_superuser(request: HttpRequest, row: Any, path: str, act: str) -> None:
    """Record that a superuser acts in an organization that is not its own.

    Args:
        request: The operator's request.
        row: What the operator writes to.
        path: The lookup of the row's organization.
        act: What the operator does, such as the name of a button.
    """
    owner = row
    for name in path.split("__"):
        owner = getattr(owner, name)
    own = organization_of(request)
    if request.user.is_superuser and owner is not None and owner not in (own, own and own.pk):
        action = AuditAction.SUPERUSER_ACTED
        record(action, by=actor(request), organization=owner, about=row, act=act)


class OrganizationScope(ModelAdmin):
    """Limit staff who are not superusers to rows of their own organization, in every view."""

    organization_path = "organization"
    choosable = Q()  # which rows a form of another model may refer to

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        organization = organization_of(request)
        if organization is None:
            return rows.none()
        return rows.filter(**{self.organization_path: organization.pk})

    def has_add_permission(self, request: HttpRequest) -> bool:
        has_owner = request.user.is_superuser or organization_of(request) is not None
        return has_owner and super().has_add_permission(request)

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        # Django would offer and accept every row of every organization.
        related = self.admin_site._registry.get(db_field.related_model)
        if isinstance(related, OrganizationScope):
            kwargs["queryset"] = related.get_queryset(request).filter(related.choosable)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
