"""Whose rows an operator sees, and on whose behalf the operator writes."""

from django.db.models import Q

from ..domain.actor import Actor, Source
from ..models import Member


def member_of(request) -> Member | None:
    """Return the operator's active member; one query per request."""
    if not hasattr(request, "member"):
        linked = Member.objects.filter(user=request.user, is_active=True)
        request.member = linked.select_related("organization").first()
    return request.member


def organization_id_of(request) -> str | None:
    """Return the id of the operator's organization."""
    member = member_of(request)
    return member and member.organization_id


def actor(request) -> Actor:
    """Return the operator as the actor of a verb; a superuser gets a member if none is linked."""
    member = member_of(request)
    if member is None and request.user.is_superuser:
        name = request.user.get_username()[: Member._meta.get_field("name").max_length]
        member, _ = Member.objects.get_or_create(user=request.user, defaults={"name": name})
    return Actor(member, Source.ADMIN)


class OrganizationScope:
    """Limit staff who are not superusers to rows of their own organization, in every view."""

    organization_path = "organization"
    choosable = Q()  # which rows a form of another model may refer to

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        organization_id = organization_id_of(request)
        if organization_id is None:
            return rows.none()
        return rows.filter(**{self.organization_path: organization_id})

    def has_add_permission(self, request):
        has_owner = request.user.is_superuser or organization_id_of(request) is not None
        return has_owner and super().has_add_permission(request)

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        # Django would offer and accept every row of every organization.
        related = self.admin_site._registry.get(db_field.related_model)
        if isinstance(related, OrganizationScope):
            kwargs["queryset"] = related.get_queryset(request).filter(related.choosable)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
