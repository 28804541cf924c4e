"""Runs: how a turn's record starts, is leased by a worker, stores its events and finishes.

Synchronous, one transaction per function. May import models, `conversations.text` and the rest of
`domain` except `turns` and `tools`.
"""
