"""Whose rows an operator sees, and on whose behalf the operator writes."""

from django.db.models import Q

from ..domain.actor import Actor, Source


def actor(request) -> Actor:
    """Return the logged-in operator as the actor of a domain verb."""
    return Actor(request.user, Source.ADMIN)


class OrganizationScope:
    """Limit staff who are not superusers to rows of their own organization, in every view."""

    organization_path = "organization"
    choosable = Q()  # which rows a form of another model may refer to

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        if request.user.organization_id is None:
            return rows.none()
        return rows.filter(**{self.organization_path: request.user.organization_id})

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        # Django would offer and accept every row of every organization.
        related = self.admin_site.get_model_admin(db_field.related_model)
        kwargs["queryset"] = related.get_queryset(request).filter(related.choosable)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
