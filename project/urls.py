from typing import Any

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

# The documentation is public: it tells nothing about anybody's data.
open_to_all: dict[str, Any] = {
    "authentication_classes": [],
    "permission_classes": [],
}

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/")),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}conversations/icon.svg")),
    path("v1/schema/", SpectacularAPIView.as_view(**open_to_all), name="schema"),
    path(
        "docs/",
        # Its script is a request of its own: no page of ours has an inline one.
        SpectacularSwaggerSplitView.as_view(
            url_name="schema", template_name="docs.html", **open_to_all
        ),
        name="docs",
    ),
    path("v1/", include("conversations.api.urls")),
    # V1's other name for the same.
    path("latest/", include("conversations.api.urls")),
]
