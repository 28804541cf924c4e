"""Folders and files: uploads, their texts and chunks, and which files an agent has open.

`runtime.file_reader` reads uploads, outside transactions. May import `archives` and `memory`, which
in turn imports only `directories`.
"""
