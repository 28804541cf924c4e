from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConversationsConfig(AppConfig):
    name = "conversations"
    verbose_name = "Conversations"


class ConsoleConfig(AdminConfig):
    """Django's admin with this project's site, so that every ModelAdmin registers on it."""

    default_site = "conversations.admin.site.ConsoleSite"
