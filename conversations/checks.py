"""Wrong settings, found by `manage.py check`."""

import os

from django.conf import settings
from django.core.checks import Error, Tags, Warning, register


@register()
def threads_are_positive(app_configs, **kwargs):
    if settings.WEB_THREADS > 0:
        return []
    return [
        Error(
            f"WEB_THREADS is {settings.WEB_THREADS}; nothing would answer requests.",
            hint="Set it to 1 or more; the default is 8.",
            id="conversations.E001",
        )
    ]


@register(Tags.security, deploy=True)
def secret_key_is_kept(app_configs, **kwargs):
    if "SECRET_KEY" in os.environ or "SECRET_KEY_FILE" in os.environ:
        return []
    return [
        Warning(
            "SECRET_KEY is not set, so every process makes up its own.",
            hint="Sessions end with the process, and two processes refuse each other's. Set it.",
            id="conversations.W001",
        )
    ]
