"""The tools that a model may call: `definitions` tell the model about them, `execution` runs them.

`archival`, `memory` and `search` hold the functions of the built-in tools. May import the rest of
`domain` except `turns`.
"""
