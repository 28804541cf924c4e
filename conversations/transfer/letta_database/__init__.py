"""Import a Letta V1 database.

`v1_database` and `queries` read V1, `convert` turns its rows into `rows` of this server, `importer`
sends them in dependency order to one of the `sinks`. Imports from the domain, never the reverse.
"""
