"""The database backend `project.postgresql`."""

from typing import Any

from django.db.backends.postgresql import base

# Seconds per address of the host.
CONNECT_TIMEOUT = 3


class DatabaseWrapper(base.DatabaseWrapper):
    """Connect once without the pool before the pool opens.

    A pool retries for 30 seconds and then reports a timeout, without host or cause.
    """

    _was_reached = False

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if not DatabaseWrapper._was_reached:
            params = {"connect_timeout": CONNECT_TIMEOUT, **conn_params}
            self.Database.connect(**params).close()
            DatabaseWrapper._was_reached = True
        return super().get_new_connection(conn_params)
