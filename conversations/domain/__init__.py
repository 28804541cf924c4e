"""The rules: synchronous functions, one transaction per verb.

The subject comes first, the rest by keyword; `by=Actor(…)` is who acts. May import models and llm;
knows no request, form or event loop.
"""
