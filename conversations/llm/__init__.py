"""Language models: a request in, chunks of the reply out. Knows no database.

May import settings and `conversations.text`.
"""
