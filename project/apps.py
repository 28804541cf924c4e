"""The server as a Django app: its system checks."""

from importlib import import_module

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """Registers the checks."""

    name = "project"

    def ready(self) -> None:
        import_module("project.checks")
