"""Which rows the requests of operators have access to."""

from collections.abc import Callable, Iterator
from typing import Any, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse

from ..tenancy import act_for, act_for_all, acting_for_none, finding_member, with_present_access
from .scope import organization_of


class OperatorAccess:
    """Act for the operator's organization, for superusers all, on the pages of an admin site.

    Needed where row-level security is enabled; it goes after AuthenticationMiddleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]):
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with acting_for_none():
            response = self._get_response(request)
            if isinstance(response, StreamingHttpResponse) and not response.is_async:
                lines = cast(Iterator[bytes], response.streaming_content)
                response.streaming_content = with_present_access(lines)
            return response

    def process_view(self, request: HttpRequest, *args: Any) -> None:
        """Look up the operator, if the view belongs to an admin site."""
        if request.resolver_match is None or "admin" not in request.resolver_match.app_names:
            return
        if request.user.is_superuser:
            act_for_all()
        elif request.user.is_authenticated:
            with finding_member(request.user.pk):
                organization = organization_of(request)
            if organization is not None:
                act_for(organization.pk)
