"""The console's pages: model admins that register on the project's default admin site.

That site is Django's own or the one of `conversations.console`. Every write is a domain verb.
"""

from . import (
    accounts,
    agents,
    archives,
    audit,
    blocks,
    conversations,
    folders,
    isolated_blocks,
    messages,
    runs,
    tools,
)

__all__ = [
    "accounts",
    "agents",
    "archives",
    "audit",
    "blocks",
    "conversations",
    "folders",
    "isolated_blocks",
    "messages",
    "runs",
    "tools",
]
