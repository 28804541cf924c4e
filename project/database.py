"""Describe why the database cannot be reached, in one sentence."""

from django.db import OperationalError, connection


def connection_error() -> str | None:
    """Connect to the database; return None, or the address and the cause of the failure."""
    try:
        connection.ensure_connection()
    except OperationalError as error:
        # Psycopg's message ends in "failed: " and the cause; hints follow in further lines.
        cause = str(error).strip().splitlines()[0].rpartition(" failed: ")[2].rstrip(".")
        return f"DATABASE_URL: cannot connect to {_address()}: {cause}."
    finally:
        connection.close()
    return None


def _address() -> str:
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"the SQLite file {settings['NAME']}"
    options = settings.get("OPTIONS", {})
    host = settings["HOST"] or options.get("host") or "localhost"
    return f"PostgreSQL at {host}:{settings['PORT'] or options.get('port') or 5432}"
