"""Agents, conversations and messages: their life, search, timeline, members and purge."""
