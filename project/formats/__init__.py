"""Formats of dates and times in the console, by language."""
