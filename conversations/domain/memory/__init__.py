"""Memory: blocks and their revisions, what a conversation reads, and isolated blocks.

Every verb here is one transaction (`writes.memory_write`). May import models, llm and the modules
of `domain/`; no other room of it but `tools.definitions`.
"""
