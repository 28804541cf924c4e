"""The operators' console.

`conversations.apps.ConsoleConfig` imports MODULES, which register their models. Importing them
here would be too early: Django imports this package to find the site they register on.
"""

MODULES = ["accounts", "agents", "blocks", "conversations", "isolated_blocks", "messages", "runs"]
