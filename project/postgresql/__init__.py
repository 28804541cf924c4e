"""Django's PostgreSQL backend, which reports at once why a database cannot be reached."""
