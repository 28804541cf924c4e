from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConversationsConfig(AppConfig):
    name = "conversations"
    verbose_name = "Console"  # stands in breadcrumbs before the name of a list

    def ready(self):
        import_module("conversations.checks")


class ConsoleConfig(AdminConfig):
    """Django's admin with this project's site, so that every ModelAdmin registers on it."""

    default_site = "conversations.admin.site.ConsoleSite"

    def ready(self):
        super().ready()
        console = import_module("conversations.admin")
        for name in console.MODULES:
            import_module(f"conversations.admin.{name}")
