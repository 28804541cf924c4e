"""`conversations.console.apps.ConsoleConfig`, for INSTALLED_APPS instead of Django's admin."""

from importlib import import_module

from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AdminConfig):
    """Django's admin with the console as its default site."""

    default_site = "conversations.console.site.ConsoleSite"

    def ready(self) -> None:
        super().ready()
        import_module("conversations.console.auth")
