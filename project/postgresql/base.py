"""The database backend `project.postgresql`."""

from typing import Any

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Connect once without the pool before the pool opens.

    A pool retries for 30 seconds and then reports a timeout, without host or cause.
    """

    _was_reached = False

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if not DatabaseWrapper._was_reached:
            self.Database.connect(**conn_params).close()
            DatabaseWrapper._was_reached = True
        return super().get_new_connection(conn_params)
