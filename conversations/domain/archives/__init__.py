"""Archival memory: archives, their passages, and how passages are searched and get vectors.

Providers are called by `runtime.embeddings`, outside transactions. May import the rest of `domain`
except `turns` and `tools`.
"""
