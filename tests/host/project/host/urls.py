from django.contrib import admin
from django.urls import include, path

from .api import HostView

urlpatterns = [
    path("backstage/", admin.site.urls),
    path("own/", HostView.as_view()),
    path("deep/inside/v1/", include("conversations.api.urls")),
]
