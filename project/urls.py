"""The server's routes: the API, the console, the documentation and a front page."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import (
    SpectacularAPIView,
    SpectacularJSONAPIView,
    SpectacularSwaggerSplitView,
)

from .views import WelcomeView

handler500 = "project.views.server_error"

# The documentation is public: it tells nothing about anybody's data.
open_to_all: dict[str, Any] = {
    "authentication_classes": [],
    "permission_classes": [],
}

openapi = SpectacularJSONAPIView.as_view(**open_to_all)
docs = SpectacularSwaggerSplitView.as_view(
    url_name="schema", template_name="docs.html", **open_to_all
)

urlpatterns = [
    path("", WelcomeView.as_view(), name="welcome"),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}conversations/icon.svg")),
    path("openapi.json", openapi, name="openapi"),
    path("openapi.json/", openapi),
    path("v1/schema/", SpectacularAPIView.as_view(**open_to_all), name="schema"),
    path("docs/", docs, name="docs"),
    path("docs", RedirectView.as_view(pattern_name="docs", query_string=True)),
    path("v1/", include("conversations.api.urls")),
    # V1's other name for the same.
    path("latest/", include("conversations.api.urls")),
]
