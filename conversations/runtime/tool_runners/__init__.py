"""Running tools that leave the database, between the model's reply and the step's transaction.

`runner` has the interface, `calls` runs the calls of a step, `runners` chooses a tool's runner.
May import `domain`, but nothing else of `runtime` than `database`,
`embeddings` and `mcp_client`.
"""
