"""Agent files (`.af`): one or more agents as JSON, in V1's format with an extension.

`model` declares the format, `parse` reads and checks a file, `store` inserts what it contains,
and `write` exports an agent. The extension adds conversations, isolated blocks and revisions at
the top level of the file, where V1 ignores unknown keys.
"""
