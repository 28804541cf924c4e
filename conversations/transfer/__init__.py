"""Import and export: agent files and the database of a Letta V1 server.

May use `domain` and `models`; nothing in here knows HTTP or the command line.
"""
