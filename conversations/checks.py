"""Wrong settings, found by `manage.py check`."""

import os

from django.conf import settings
from django.core.checks import Error, Tags, Warning, register

ENGINES = ("django.db.backends.postgresql", "django.db.backends.sqlite3")


@register(Tags.database)
def database_is_known(app_configs, **kwargs):
    engine = settings.DATABASES["default"]["ENGINE"]
    if engine in ENGINES:
        return []
    return [
        Error(
            f"DATABASE_URL names the engine {engine}, which this project does not know.",
            hint="Use postgres://… or sqlite:///….",
            id="conversations.E001",
        )
    ]


@register()
def threads_are_positive(app_configs, **kwargs):
    if settings.WEB_THREADS > 0:
        return []
    return [
        Error(
            f"WEB_THREADS is {settings.WEB_THREADS}; nothing would answer requests.",
            hint="Set it to 1 or more; the default is 8.",
            id="conversations.E002",
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
