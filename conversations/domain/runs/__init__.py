"""Runs: how a turn's record starts, is leased by a worker, stores its events and finishes.

Synchronous, one transaction per function; knows neither `turns` nor `tools`.
"""
