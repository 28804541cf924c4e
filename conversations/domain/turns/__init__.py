"""The steps of a turn: what the model is sent, what it replies, and what is stored of it.

Synchronous, one transaction per function; `runtime` calls the model between them.
"""
