"""Palimpsest: the memory of LLM agents, as a Django app."""

__version__ = "0.2.0"
