"""The app, and the configuration that makes its console the admin site of a project."""

from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConversationsConfig(AppConfig):
    """The app itself."""

    default = True
    name = "conversations"
    verbose_name = "Console"

    def ready(self) -> None:
        import_module("conversations.checks")


class ConsoleConfig(AdminConfig):
    """Django's admin with the console as its site, so that every ModelAdmin registers on it."""

    default_site = "conversations.admin.site.ConsoleSite"

    def ready(self) -> None:
        super().ready()
        console = import_module("conversations.admin")
        for name in console.MODULES:
            import_module(f"conversations.admin.{name}")
