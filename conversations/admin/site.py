from django.contrib import admin


class ConsoleSite(admin.AdminSite):
    """The operators' console."""

    site_header = "Conversations"
    site_title = "Conversations"
    index_title = "Console"
