"""Pages of the server itself."""

import sys
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.views import defaults
from django.views.generic import TemplateView

from conversations import __version__
from conversations.api.http.errors import RETRY_AFTER


class WelcomeView(TemplateView):
    """Say what this server is, and where its API, console, documentation and checks are."""

    template_name = "welcome.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the version and the base URL as the reader reached it."""
        base_url = self.request.build_absolute_uri("/").rstrip("/")
        return super().get_context_data(version=__version__, base_url=base_url, **kwargs)


def server_error(request: HttpRequest) -> HttpResponse:
    """Respond to an error outside the API's views: 503 if the database failed, else 500."""
    if not isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return defaults.server_error(request)
    page = loader.get_template("503.html").render()
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER)})
