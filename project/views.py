"""Pages of the server itself."""

from typing import Any

from django.views.generic import TemplateView

from conversations import __version__


class WelcomeView(TemplateView):
    """Say what this server is, and where its API, console, documentation and checks are."""

    template_name = "welcome.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the version and the base URL as the reader reached it."""
        base_url = self.request.build_absolute_uri("/").rstrip("/")
        return super().get_context_data(version=__version__, base_url=base_url, **kwargs)
