"""Django's `migrate`, which several processes of the server may run at once."""

from conversations.management.locked_migrate import Command

__all__ = ["Command"]
