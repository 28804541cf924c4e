"""Import a Letta V1 database.

`v1_database` and `queries` read V1's rows as `rows` of this server, `convert` checks and completes
them, `importer` sends them in dependency order to one of the `sinks`. Imports from the domain,
never the reverse.
"""
