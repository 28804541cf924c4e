"""Memory: blocks and their revisions, what a conversation reads, and isolated blocks.

Every verb here is one transaction (`writes.memory_write`). May import models and the modules of
`domain/`, but none of its other packages.
"""
