"""The Django app."""

from importlib import import_module

from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    """Conversations, their memory and the console."""

    name = "conversations"
    verbose_name = "Console"  # precedes the name of a list in breadcrumbs

    def ready(self) -> None:
        import_module("conversations.checks")
