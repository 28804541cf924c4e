"""System checks of the server."""

import os
from typing import Any

from django.conf import settings
from django.core.checks import Error, Tags, Warning, register


@register(Tags.security, deploy=True)
def check_secret_key(app_configs: Any = None, **kwargs: Any) -> list[Warning]:
    """Warn when no secret key is set, so that each process generates its own."""
    if os.environ.get("SECRET_KEY") or os.environ.get("SECRET_KEY_FILE"):
        return []
    return [
        Warning(
            "SECRET_KEY is not set, so each process generates its own.",
            hint="Sessions end with the process and are not valid in another. Set it.",
            id="project.W001",
        )
    ]


@register(Tags.security, deploy=True)
def check_allowed_hosts(app_configs: Any = None, **kwargs: Any) -> list[Error]:
    """Refuse a server that answers to every host name: links in its pages could be forged."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Error(
            "ALLOWED_HOSTS has '*', which accepts every Host header.",
            hint="List the names of this server, as ALLOWED_HOSTS=memory.example.org.",
            id="project.E001",
        )
    ]
