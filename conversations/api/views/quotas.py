"""The quotas of the caller's organization."""

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ...domain.conversations.accounts import update_organization
from ...models import Scope
from ..auth import actor_of, key_of
from ..http.validation import read_body
from ..schema import operation
from ..serializers.quotas import QuotasBody
from ..shapes.quotas import QuotasJSON, quotas_json
from .base import ApiView


class Quotas(ApiView):
    @operation("quotas_retrieve", scope=Scope.READ, response=QuotasJSON)
    def get(self, request: Request) -> HttpResponse:
        """Retrieve the quotas of the organization, and how much of them is used."""
        return Response(quotas_json(key_of(request).organization))

    @operation("quotas_update", scope=Scope.ADMIN, body=QuotasBody, response=QuotasJSON)
    def patch(self, request: Request) -> HttpResponse:
        """Change quotas of the organization, or how long it keeps conversations.

        Null restores the server's default.
        """
        changes = read_body(request, QuotasBody)
        organization = key_of(request).organization
        return Response(
            quotas_json(update_organization(organization, by=actor_of(request), **changes))
        )
