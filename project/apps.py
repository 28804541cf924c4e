"""The server as a Django app: its system checks, and what it does about logins."""

from importlib import import_module

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed

from project.tracing import export_spans


class ProjectConfig(AppConfig):
    """Registers the checks and the receivers of login signals."""

    name = "project"

    def ready(self) -> None:
        import_module("project.checks")
        export_spans()
        # `logins` imports the receivers of axes, which come first.
        from . import logins, sessions  # noqa: PLC0415 (needs the models)

        user_logged_in.connect(logins.log_in)
        user_logged_in.connect(sessions.begin)
        user_logged_out.connect(logins.log_out)
        user_login_failed.connect(logins.log_failure)
