"""The Django app."""

from importlib import import_module

from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    """Conversations, their memory and the console."""

    name = "conversations"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Palimpsest"

    def ready(self) -> None:
        import_module("conversations.checks")
